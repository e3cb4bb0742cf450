#include "daemon/control/commands.h"

#include "backend/base/kernel_file.h"
#include "daemon/base/self_protection.h"
#include "daemon/base/zone_json.h"
#include "daemon/base/zone_number.h"

#include <algorithm>
#include <array>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reflux::control {
namespace {

using nlohmann::json;

constexpr std::string_view zone_changes = "read_only, offline or recommend_reset";

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

json in_flight_json(const Disk& device) {
    json list = json::array();
    for (const auto& request : device.in_flight()) {
        list.push_back({{"id", request.id},
                        {"op", to_string(request.operation)},
                        {"offset", request.offset},
                        {"length", request.length},
                        {"tid", request.tid},
                        {"age_s", seconds_since(request.start_ns)}});
    }
    return list;
}

json counters_json(const DeviceCounters& counters) {
    return {{"completed", counters.completed},
            {"reads", counters.reads},
            {"writes", counters.writes},
            {"appends", counters.appends},
            {"flushes", counters.flushes},
            {"discards", counters.discards},
            {"read_bytes", counters.read_bytes},
            {"written_bytes", counters.written_bytes},
            {"zone_reports", counters.zone_reports},
            {"zone_opens", counters.zone_opens},
            {"zone_closes", counters.zone_closes},
            {"zone_finishes", counters.zone_finishes},
            {"zone_resets", counters.zone_resets},
            {"errors", counters.errors}};
}

json faults_json(const ZonedDevice& device) {
    json list = json::array();
    for (const auto& fault : device.faults().state()) {
        list.push_back({{"name", fault.name}, {"options", fault.options}, {"requests", fault.requests}});
    }
    return list;
}

// Reads nothing of /proc, see progress_line().
json calls_json(const io::CallState& state, const io::CallOptions& wanted) {
    return {{"flags", wanted.flags},
            {"scopes", wanted.scopes},
            {"sync_range", wanted.sync_range},
            {"fdatasync_every", wanted.fdatasync_every},
            {"mapping_nofs", wanted.mapping_nofs},
            {"flagged", state.flagged},
            {"fallbacks", state.fallbacks},
            {"scoped", state.scoped},
            {"scope_failures", state.scope_failures},
            {"bounded", state.bounded},
            {"bound_failures", state.bound_failures}};
}

json errors_json(const std::vector<io::ErrorCount>& errors) {
    json list = json::array();
    for (const auto& error : errors) {
        list.push_back({{"error", error.name}, {"count", error.count}});
    }
    return list;
}

json io_json(const ZonedDevice& device, const Identity& identity) {
    const auto state = device.engine_state();
    return {{"direct", state.direct},
            {"unaligned", state.unaligned},
            {"short_transfers", state.short_transfers},
            {"errors", errors_json(device.io_errors())},
            {"registered_bytes", state.registered_bytes},
            {"calls", calls_json(state.calls, identity.calls)}};
}

// Buffers are made and touched before they are used (io::BufferPool), whatever the options: to prefault is no
// switch, and `resident_bytes` tells that it holds.
json protection_json(const ZonedDevice& device, const Identity& identity) {
    const auto buffers = device.offered_memory();
    return {{"io_flusher", to_string(identity.protection.io_flusher)},
            {"lock_memory", identity.protection.lock_memory},
            {"locked_bytes", locked_memory().value_or(0)},
            {"buffers", {{"bytes", buffers.size()}, {"resident_bytes", resident_bytes(buffers)}}}};
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

json reclaim_json(const map::TranslationStatus& status) {
    json reclaim = {{"phase", map::to_string(status.phase)},
                    {"urgent", status.is_urgent},
                    {"waiting_chunks", status.waiting_chunks},
                    {"waiting_writes", status.waiting_writes},
                    {"idle_below_percent", status.thresholds.idle},
                    {"urgent_below_percent", status.thresholds.urgent},
                    {"chunks", status.reclaim.chunks},
                    {"zones_reset", status.reclaim.zones_reset},
                    {"read_bytes", status.reclaim.read_bytes},
                    {"written_bytes", status.reclaim.written_bytes},
                    {"errors", status.reclaim.errors}};
    const bool has_chunk =
        status.phase == map::ReclaimPhase::waiting_for_chunk || status.phase == map::ReclaimPhase::copying;
    reclaim["chunk"] = has_chunk ? json(status.chunk) : json();
    return reclaim;
}

json translation_json(const TranslatedDevice& translation) {
    const auto status = translation.status();
    const auto& map = status.map;
    return {{"chunks", map.chunks},
            {"mapped", map.mapped},
            {"in_random_zones", map.random_data},
            {"buffered", map.buffered},
            {"random_zones", {{"count", map.random_zones}, {"free", map.random_free}}},
            {"sequential_zones", {{"count", map.sequential_zones}, {"free", map.sequential_free}}},
            {"awaiting_commit", map.awaiting_commit},
            {"awaiting_reset", map.awaiting_reset},
            {"generation", status.generation},
            {"read_only", status.broken != 0},
            {"reclaim", reclaim_json(status)},
            {"lower",
             {{"in_flight", in_flight_json(translation.lower())},
              {"counters", counters_json(translation.lower().counters())}}}};
}

// What the front end serves.
const Disk& served(const ZonedDevice& device, const Identity& identity) {
    return identity.translation != nullptr ? static_cast<const Disk&>(*identity.translation) : device;
}

std::string status_line(const ZonedDevice& device, const Identity& identity) {
    return dump(
        {{"pid", ::getpid()},
         {"version", REFLUX_VERSION},
         {"engine", identity.engine},
         {"front_end", identity.front_end},
         {"uptime_s", seconds_since(identity.start_ns)},
         {"image", device.image_path()},
         {"image_was_unclean", device.image_was_unclean()},
         {"size", served(device, identity).size().value},
         {"io", io_json(device, identity)},
         {"protection", protection_json(device, identity)},
         {"threads", threads_json()},
         {"in_flight", in_flight_json(served(device, identity))},
         {"counters", counters_json(served(device, identity).counters())},
         {"translation", identity.translation != nullptr ? translation_json(*identity.translation) : json()},
         {"faults", faults_json(device)},
         {"zones", zones_json(device)}});
}

// Reads nothing of /proc: a poll several times a second must not take this thread into allocations of its own
// (opening a seq_file is charged to the memcg), for then it hangs with the daemon whose state it is to tell.
std::string progress_line(const ZonedDevice& device, const Identity& identity) {
    const Disk& disk = served(device, identity);
    return dump({{"pid", ::getpid()},
                 {"io", io_json(device, identity)},
                 {"in_flight", in_flight_json(disk)},
                 {"counters", counters_json(disk.counters())}});
}

std::string zones_line(const ZonedDevice& device) {
    std::string text = "[";
    std::array<ZoneDescriptor, 512> portion;
    std::uint64_t next = 0;
    while (const std::size_t count = device.report({next}, portion)) {
        for (std::size_t i = 0; i < count; ++i) {
            text += text.size() > 1 ? "," : "";
            append_json(text, portion[i]);
        }
        next += count;
    }
    text += "]";
    return text;
}

std::string error_line(std::string_view message) {
    return dump({{"error", message}});
}

// `words`: "fault" and what follows it.
std::string fault_line(const std::vector<std::string>& words, const ZonedDevice& device) {
    constexpr std::size_t name_at = 2;
    const std::string action = words.size() > 1 ? words[1] : "";
    const bool named = words.size() > name_at;
    Status done;
    if (action == "clear" && !named) {
        device.faults().clear_all();
    } else if (action == "clear" && words.size() == name_at + 1) {
        done = device.faults().clear(words[name_at]);
    } else if ((action == "set" || action == "check") && named) {
        const std::vector<std::string> options(words.begin() + name_at + 1, words.end());
        done = action == "set" ? device.faults().set(words[name_at], options)
                               : io::Faults::check(words[name_at], options);
    } else if (!action.empty()) {
        return error_line("fault takes: nothing, set NAME OPTION..., check NAME OPTION..., clear [NAME]");
    }
    return done ? dump({{"faults", faults_json(device)}}) : error_line(done.error().message);
}

std::string fault_help() {
    std::string text =
        "the faults that are on; fault set NAME OPTION..., fault clear [NAME], fault check NAME OPTION...;";
    for (const auto& fault : io::fault_list()) {
        text += fmt::format(" {} {};", fault.name, fault.options);
    }
    return text + fmt::format(" for all: {}", io::common_fault_options());
}

// `words`: "zone" and what follows it.
std::string zone_line(const std::vector<std::string>& words, ZonedDevice& device) {
    const std::string what = words.size() == 3 ? words[2] : "";
    const std::uint64_t zones = device.geometry().zone_count();
    const auto id = parse_zone_number(words.size() == 3 ? words[1] : "", zones);
    auto error = ZoneError::none;
    if (!id) {
        return error_line(fmt::format("zone takes: a number from 0 to {}, and {}", zones - 1, zone_changes));
    }
    if (what == "recommend_reset") {
        error = device.recommend_reset({*id});
    } else if (what == "read_only" || what == "offline") {
        error = device.degrade({*id}, what == "offline" ? ZoneCondition::offline : ZoneCondition::read_only);
    } else {
        return error_line(fmt::format("zone {} takes: {}", *id, zone_changes));
    }
    if (error != ZoneError::none) {
        return error_line(fmt::format("zone {}: {}", *id, to_string(error)));
    }
    std::string text;
    append_json(text, device.describe({*id}));
    return text;
}

std::string help_line() {
    return dump(
        {{"commands",
          {{"status",
            "engine, threads and their roles, what is done around each call and to protect the process, "
            "requests in flight, counters, zones by condition"},
           {"progress",
            "requests in flight and counters (io: of calls, short transfers, errors of the lower file) "
            "alone; for frequent polls, it reads nothing of "
            "/proc"},
           {"zones",
            "all zones: start, length, capacity, write_pointer (null: has none), type, condition, "
            "non_sequential, "
            "reset_recommended; bytes"},
           {"zone",
            "zone ID read_only, zone ID offline (for good: the standard knows no way back), zone ID "
            "recommend_reset (until it is reset)"},
           {"fault", fault_help()},
           {"help", "this"}}}});
}

}  // namespace

std::string answer(std::string_view line, ZonedDevice& device, const Identity& identity) {
    const std::string command = trimmed(line);
    if (command == "status") {
        return status_line(device, identity);
    }
    if (command == "progress") {
        return progress_line(device, identity);
    }
    if (command == "zones") {
        return zones_line(device);
    }
    if (command == "help") {
        return help_line();
    }
    const auto words = split(command, ' ');
    if (!words.empty() && words.front() == "fault") {
        return fault_line(words, device);
    }
    if (!words.empty() && words.front() == "zone") {
        return zone_line(words, device);
    }
    return error_line(fmt::format("unknown command '{}'; try help", command.substr(0, 64)));
}

}  // namespace reflux::control
