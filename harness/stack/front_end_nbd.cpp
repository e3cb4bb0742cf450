// The kernel's NBD client on the socket of a daemon.
#include "backend/base/kernel_file.h"
#include "harness/stack/front_end.h"

#include <unistd.h>

namespace reflux::stack {
namespace {

constexpr Seconds connect_time{30};

Result<std::string> free_device() {
    for (unsigned number = 0;; ++number) {
        std::string name = fmt::format("nbd{}", number);
        if (::access(("/sys/block/" + name).c_str(), F_OK) != 0) {
            return fail(ErrorKind::unsupported, "every /dev/nbd device is in use");
        }
        if (::access(fmt::format("/sys/block/{}/pid", name).c_str(), F_OK) != 0) {
            return name;
        }
    }
}

// No timeout: it would end a stall with I/O errors. A server without exports takes any name.
Status connect(const std::string& socket, const std::string& device) {
    REFLUX_TRY(const auto result,
               run_command({"nbd-client", "-unix", socket, "-N", "disk", device}, connect_time));
    if (!result.exit || !result.exit->ok()) {
        return fail(ErrorKind::system, fmt::format("nbd-client {}: {}", device, trimmed(result.output)));
    }
    return {};
}

Status up(Building& building) {
    REFLUX_CHECK(
        building.journal.intend(journal::Kind::file, filled(building.plan.foreign->serves, building)));
    REFLUX_TRY(const auto started, daemon_up(building, {}));
    REFLUX_TRY(const auto name, free_device());
    const auto device = "/dev/" + name;
    REFLUX_TRY(const auto id, building.journal.intend(journal::Kind::nbd_device, device));
    const int server = building.stack.daemon.pid;
    REFLUX_TRY(const auto start_time, journal::process_start_time(server));
    REFLUX_CHECK(building.journal.note(id, fmt::format("{} {}", server, start_time)));
    if (auto connected = connect(started.serves, device); !connected) {
        REFLUX_CHECK(building.journal.gone(id));  // it may be somebody else's by now
        return connected;
    }
    REFLUX_TRY(const auto client, read_file(fmt::format("/sys/block/{}/pid", name)));
    REFLUX_CHECK(building.journal.note(id, fmt::format("{} {} {}", server, start_time, trimmed(client))));
    building.stack.abort =
        Abort{.what = "connection", .command = {"nbd-client", "-d", device}, .sockets_of = server};
    REFLUX_TRY(building.stack.served_device,
               await_block_device(device + " of the server", connect_time, [&] { return name; }));
    return {};
}

}  // namespace

FrontEnd nbd_front_end() {
    return {.name = "nbd",
            .modules = {"nbd"},
            .programs = {"nbd-client"},
            .make_image = make_daemon_image,
            .up = up};
}

}  // namespace reflux::stack
