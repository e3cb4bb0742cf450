// refluxd: wiring only.
#include "backend/base/kernel_file.h"
#include "backend/io/engine.h"
#include "backend/io/fault.h"
#include "daemon/base/detach.h"
#include "daemon/base/log.h"
#include "daemon/base/options.h"
#include "daemon/base/self_protection.h"
#include "daemon/control/server.h"
#include "daemon/front_ends.h"
#include "daemon/image_verbs.h"
#include "daemon/ublk/verbs.h"

#include <chrono>
#include <exception>
#include <thread>

#include <nlohmann/json.hpp>

namespace reflux {
namespace {

int exit_status_of(const Error& error) {
    switch (error.kind) {
        case ErrorKind::invalid_input:
            return 2;
        case ErrorKind::unsupported:
            return 3;
        case ErrorKind::system:
        case ErrorKind::timed_out:
            return 4;
    }
    return 4;
}

std::string to_line(const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<std::unique_ptr<control::Server>> start_control(const ServeOptions& options, ZonedDevice& device,
                                                       const TranslatedDevice* translation) {
    if (options.control.empty()) {
        return std::unique_ptr<control::Server>{};
    }
    REFLUX_TRY(auto socket, control::ListeningSocket::make(options.control));
    return control::Server::start(std::move(socket), device,
                                  {.engine = options.engine,
                                   .front_end = options.front_end,
                                   .start_ns = monotonic_ns(),
                                   .calls = options.calls,
                                   .protection = options.protection,
                                   .translation = translation});
}

// Commits the translation, if there is one, and the zone table.
Status close(const Served& served) {
    Status committed = served.translation != nullptr ? served.translation->close() : Status{};
    // All the same: the zone table is whole then, and what could not be committed is not in it.
    auto closed = served.device.close();
    return committed ? std::move(closed) : std::move(committed);
}

// What stands on the disk while it is served; taken down in reverse order.
struct Stand {
    std::unique_ptr<control::Server> control;
    std::unique_ptr<FrontEnd> front_end;
};

Result<Stand> set_up(const ServeOptions& options, const Served& served) {
    Stand stand;
    REFLUX_TRY(stand.control, start_control(options, served.device, served.translation));
    REFLUX_TRY(stand.front_end, make_front_end(options, served));
    return stand;
}

Status tell_ready(const ServeOptions& options, const Stand& stand, const Disk& disk, ReadyLine& ready) {
    REFLUX_CHECK(protect_when_ready(options.protection));
    nlohmann::json line{{"event", "ready"},
                        {"pid", ::getpid()},
                        {"size", disk.size().value},
                        {"control", options.control},
                        {"front_end", options.front_end}};
    line.update(stand.front_end->whereabouts());
    return ready.tell(to_line(line));
}

// Serves until the end; whatever that is, front end and control socket are gone when it returns.
Status serve_device(const ServeOptions& options, const Served& served, ReadyLine& ready) {
    REFLUX_TRY(const auto stop, StopSource::make());
    REFLUX_CHECK(stop_on_signals(*stop));
    const auto stand = set_up(options, served);
    const auto end = stand ? stand->front_end->serve(
                                 *stop, [&] { return tell_ready(options, *stand, served.disk(), ready); })
                           : Result<ServeEnd>(fail(stand.error()));
    if (!end && served.device.zones_were_kept()) {
        // The host has the disk still, and will send again what it was not told of: the image stays as the
        // killed daemon has left it, so that the next one knows of those writes.
        return fail(end.error());
    }
    // Before the disk is taken away, so that the image is whole when it is gone.
    auto closed = close(served);
    if (!end) {
        return fail(end.error());
    }
    if (*end == ServeEnd::taken_away) {
        log_line(fmt::format("the disk was taken away from outside: {}",
                             to_line(stand->front_end->whereabouts())));
    }
    return closed;
}

// What a disk that stays has acknowledged must stay too.
std::string zone_memory_of(const ServeOptions& options) {
    if (!outlives_a_kill(options)) {
        return "";
    }
    std::string place = options.zone_memory.empty() ? zone_memory_folder() : options.zone_memory;
    if (place.empty()) {
        log_line(
            "neither /run nor /dev/shm is a memory filesystem: after a kill of this daemon write "
            "pointers are as of the last flush; --zone-memory names another place");
    }
    return place;
}

// A killed process is gone from the process list before the kernel has closed all its files.
Result<std::unique_ptr<ZonedDevice>> open_device(const ServeOptions& options) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    const std::string zone_memory = zone_memory_of(options);
    for (;;) {
        auto device = ZonedDevice::open(options.image, {.engine = options.engine,
                                                        .threads = options.threads,
                                                        .direct = options.direct,
                                                        .calls = options.calls,
                                                        .zone_memory = zone_memory});
        const bool waits = !device && options.recover && device.error().errnum == EWOULDBLOCK;
        if (!waits || std::chrono::steady_clock::now() >= deadline) {
            return device;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

Status serve(ServeOptions options, ReadyLine& ready) {
    REFLUX_CHECK(protect_at_start(options.protection));  // before any thread exists
    REFLUX_CHECK(prepare_front_end(options));
    if (!options.control.empty()) {
        REFLUX_CHECK(control::check_socket_path(options.control));
    }
    REFLUX_TRY(const auto device, open_device(options));
    if (device->image_was_unclean()) {
        log_line(fmt::format(
            "{} was not closed cleanly: write pointers are as of the {}", options.image,
            device->zones_were_kept() ? "last write: the daemon before was killed" : "last flush"));
    }
    for (const auto& finding : device->image_findings()) {
        log_line(fmt::format("{}: {}", options.image, finding));
    }
    std::unique_ptr<TranslatedDevice> translation;
    if (device->is_translated()) {
        REFLUX_TRY(translation, TranslatedDevice::start(*device));
    }
    return serve_device(options, {.device = *device, .translation = translation.get()}, ready);
}

Result<int> run_serve(const ServeOptions& options) {
    Detached detached;
    if (options.daemonize) {
        REFLUX_TRY(detached, detach());
        if (detached.first_process_status) {
            return *detached.first_process_status;
        }
    }
    REFLUX_CHECK(serve(options, detached.ready));
    return 0;
}

nlohmann::json list_json() {
    nlohmann::json engines = nlohmann::json::array();
    for (const auto& engine : io::engine_list()) {
        engines.push_back({{"name", engine.name}, {"description", engine.description}});
    }
    nlohmann::json front_ends = nlohmann::json::array();
    for (const auto& front_end : front_end_list()) {
        front_ends.push_back({{"name", front_end.name}, {"description", front_end.description}});
    }
    nlohmann::json faults = nlohmann::json::array();
    for (const auto& fault : io::fault_list()) {
        faults.push_back(
            {{"name", fault.name}, {"description", fault.description}, {"options", fault.options}});
    }
    return {{"engines", engines}, {"front_ends", front_ends}, {"faults", faults}};
}

struct RunCommand {
    Result<int> operator()(const FormatOptions& options) const {
        REFLUX_CHECK(format_image(options.image, options.geometry, options.force, options.translated));
        return 0;
    }
    Result<int> operator()(const ServeOptions& options) const { return run_serve(options); }
    Result<int> operator()(const ReportOptions& options) const {
        REFLUX_CHECK(report_image(options));
        return 0;
    }
    Result<int> operator()(const FsckOptions& options) const { return check_image(options); }
    Result<int> operator()(const ListOptions& /*none*/) const { return print(to_line(list_json()) + "\n"); }
    Result<int> operator()(const UblkOptions& options) const {
        if (options.remove) {
            REFLUX_CHECK(ublk::delete_device(*options.remove));
            return 0;
        }
        if (!options.remove_of.empty()) {
            REFLUX_CHECK(ublk::delete_devices_of(options.remove_of));
            return 0;
        }
        REFLUX_TRY(const auto devices, ublk::list_devices());
        return print(to_line(devices) + "\n");
    }
    Result<int> operator()(const HelpText& help) const { return print(help.text); }

    static Result<int> print(const std::string& text) {
        REFLUX_CHECK(write_all(STDOUT_FILENO, text, "stdout"));
        return 0;
    }
};

Result<int> run(int argc, char** argv) {
    REFLUX_TRY(const auto command, parse_command_line(argc, argv));
    return std::visit(RunCommand{}, command);
}

}  // namespace
}  // namespace reflux

int main(int argc, char** argv) {
    try {
        const auto status = reflux::run(argc, argv);
        if (!status) {
            reflux::log_line(status.error().message);
            return reflux::exit_status_of(status.error());
        }
        return *status;
    } catch (const std::exception& error) {  // out of memory
        reflux::log_line(error.what());
        return 4;
    }
}
