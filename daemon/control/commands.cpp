#include "daemon/control/commands.h"

#include "backend/base/kernel_file.h"
#include "daemon/base/self_protection.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reflux::control {
namespace {

using nlohmann::json;

std::string dump(const json& value) {
    // Paths need not be UTF-8.
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

double seconds_since(std::uint64_t begin_ns) {
    const std::uint64_t now = monotonic_ns();
    return now > begin_ns ? static_cast<double>(now - begin_ns) / 1e9 : 0;
}

json threads_json() {
    json list = json::array();
    const auto threads = list_threads();
    if (!threads) {
        return list;
    }
    for (const auto& thread : *threads) {
        list.push_back({{"tid", thread.tid},
                        {"name", thread.name},
                        {"role", thread.role},
                        {"flags", thread.flags},
                        {"io_flusher", thread.io_flusher}});
    }
    return list;
}

json in_flight_json(const ZonedDevice& device) {
    json list = json::array();
    for (const auto& request : device.in_flight()) {
        list.push_back({{"id", request.id},
                        {"op", io::to_string(request.operation)},
                        {"offset", request.offset},
                        {"length", request.length},
                        {"tid", request.tid},
                        {"age_s", seconds_since(request.start_ns)}});
    }
    return list;
}

json counters_json(const DeviceCounters& counters) {
    return {{"completed", counters.completed},   {"reads", counters.reads},
            {"writes", counters.writes},         {"flushes", counters.flushes},
            {"read_bytes", counters.read_bytes}, {"written_bytes", counters.written_bytes},
            {"errors", counters.errors}};
}

json zones_json(const ZonedDevice& device) {
    const auto summary = device.zone_summary();
    json zones = {{"count", device.geometry().zone_count()},
                  {"conventional", device.geometry().conventional_count()},
                  {"zone_bytes", device.geometry().zone_size().value}};
    for (const auto condition :
         {ZoneCondition::empty, ZoneCondition::implicit_open, ZoneCondition::explicit_open,
          ZoneCondition::closed, ZoneCondition::full, ZoneCondition::read_only, ZoneCondition::offline}) {
        zones[std::string(to_string(condition))] = summary.count(condition);
    }
    return zones;
}

std::string status_line(const ZonedDevice& device, const Identity& identity) {
    return dump({{"pid", ::getpid()},
                 {"version", REFLUX_VERSION},
                 {"engine", identity.engine},
                 {"front_end", identity.front_end},
                 {"uptime_s", seconds_since(identity.start_ns)},
                 {"image", device.image_path()},
                 {"image_was_unclean", device.image_was_unclean()},
                 {"size", device.geometry().size().value},
                 {"threads", threads_json()},
                 {"in_flight", in_flight_json(device)},
                 {"counters", counters_json(device.counters())},
                 {"zones", zones_json(device)}});
}

// Reads nothing of /proc: a poll several times a second must not take this thread into allocations of its own
// (opening a seq_file is charged to the memcg), for then it hangs with the daemon whose state it is to tell.
std::string progress_line(const ZonedDevice& device) {
    return dump({{"pid", ::getpid()},
                 {"in_flight", in_flight_json(device)},
                 {"counters", counters_json(device.counters())}});
}

// Written by hand, for a million zones of json objects would be hundreds of megabytes.
std::string zones_line(const ZonedDevice& device) {
    std::string text = "[";
    std::array<ZoneDescriptor, 512> portion;
    std::uint64_t next = 0;
    while (const std::size_t count = device.report({next}, portion)) {
        for (std::size_t i = 0; i < count; ++i) {
            const auto& zone = portion[i];
            fmt::format_to(std::back_inserter(text),
                           R"({}{{"start":{},"length":{},"write_pointer":{},"type":"{}","condition":"{}"}})",
                           text.size() > 1 ? "," : "", zone.start.value, zone.length.value,
                           zone.has_write_pointer ? fmt::to_string(zone.write_pointer.value) : "null",
                           to_string(zone.type), to_string(zone.condition));
        }
        next += count;
    }
    text += "]";
    return text;
}

std::string help_line() {
    return dump(
        {{"commands",
          {{"status", "threads, requests in flight, counters, zones by condition"},
           {"progress",
            "requests in flight and counters alone; for frequent polls, it reads nothing of /proc"},
           {"zones", "all zones: start, length, write_pointer (null: has none), type, condition; bytes"},
           {"help", "this"}}}});
}

}  // namespace

std::string answer(std::string_view line, const ZonedDevice& device, const Identity& identity) {
    const std::string command = trimmed(line);
    if (command == "status") {
        return status_line(device, identity);
    }
    if (command == "progress") {
        return progress_line(device);
    }
    if (command == "zones") {
        return zones_line(device);
    }
    if (command == "help") {
        return help_line();
    }
    return dump({{"error", fmt::format("unknown command '{}'; try help", command.substr(0, 64))}});
}

}  // namespace reflux::control
