#include "daemon/ublk/verbs.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "backend/image_reader.h"
#include "backend/zone_memory.h"
#include "daemon/ublk/control.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <optional>

#include <sys/syscall.h>

namespace reflux::ublk {
namespace {

constexpr std::string_view character_prefix = "ublkc";
constexpr Seconds patience{4};      // with a daemon that may be working
constexpr Seconds after_death{10};  // the kernel ends what it had taken

std::string_view to_string(DeviceState state) {
    switch (state) {
        case DeviceState::dead:
            return "dead";
        case DeviceState::live:
            return "live";
        case DeviceState::quiesced:
            return "quiesced";
        case DeviceState::fail_io:
            return "fail_io";
    }
    return "unknown";
}

std::optional<std::uint32_t> id_of(std::string_view name) {
    std::uint32_t id = 0;
    if (!name.starts_with(character_prefix)) {
        return std::nullopt;
    }
    name.remove_prefix(character_prefix.size());
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
    return error == std::errc{} && end == name.data() + name.size() ? std::optional(id) : std::nullopt;
}

bool has_open(std::int32_t pid, const std::string& path) {
    std::error_code error;
    const auto folder = fmt::format("/proc/{}/fd", pid);
    const auto names = list_directory(folder);
    return names && std::ranges::any_of(*names, [&](const std::string& name) {
               return std::filesystem::read_symlink(folder + "/" + name, error) == path;
           });
}

// The process that serves the device, which the driver remembers by a number that may be another's by now.
UniqueFd find_daemon(const DeviceInfo& info) {
    if (info.daemon_pid <= 0) {
        return {};
    }
    UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, info.daemon_pid, 0)));
    return process && has_open(info.daemon_pid, character_path(info.id)) ? std::move(process) : UniqueFd();
}

Result<std::vector<DeviceInfo>> all_devices(const ControlDevice& control) {
    REFLUX_TRY(const auto names, list_directory("/dev"));
    std::vector<DeviceInfo> devices;
    for (const auto& name : names) {
        const auto id = id_of(name);
        auto info = id ? control.info(*id) : Result<DeviceInfo>(fail(ErrorKind::system, ""));
        if (info) {
            devices.push_back(*std::move(info));
        }
    }
    return devices;
}

// In a child, for STOP_DEV waits for requests that may never end, and not even a kill ends its waiting.
Status end_device(const ControlDevice& control, std::uint32_t id, Seconds limit) {
    return call_bounded(fmt::format("ublk: stopping device {}", id), limit,
                        [&]() -> Status {
                            REFLUX_CHECK(control.stop(id, limit));
                            return control.remove(id, limit);
                        },
                        // fork_call closes all else.
                        {.inherit = {control.fd()}});
}

std::string where_it_waits(std::int32_t pid) {
    const auto stack = read_file(fmt::format("/proc/{}/stack", pid));
    const auto lines = lines_of(stack.value_or(""));
    return lines.empty() ? "" : fmt::format("; process {} waits in {}", pid, lines.front());
}

}  // namespace

Result<nlohmann::json> list_devices() {
    REFLUX_TRY(const auto control, ControlDevice::open());
    REFLUX_TRY(const auto found, all_devices(control));
    auto devices = nlohmann::json::array();
    for (const auto& info : found) {
        devices.push_back({{"id", info.id},
                           {"device", block_path(info.id)},
                           {"state", to_string(info.state)},
                           {"pid", info.daemon_pid},
                           {"zoned", (info.features & feature_zoned) != 0}});
    }
    return devices;
}

Status delete_device(std::uint32_t id) {
    REFLUX_TRY(const auto control, ControlDevice::open());
    REFLUX_TRY(const auto info, control.info(id));
    if (info.daemon_word == 0) {
        return fail(
            ErrorKind::invalid_input,
            fmt::format("ublk device {} is not refluxd's: it is left to the program that made it", id));
    }
    const UniqueFd daemon = find_daemon(info);
    auto ended = end_device(control, id, patience);
    if (!ended && ended.error().kind == ErrorKind::timed_out) {
        if (daemon && ::syscall(SYS_pidfd_send_signal, daemon.get(), SIGKILL, nullptr, 0) != 0 &&
            errno != ESRCH) {
            return fail_errno(fmt::format("kill {}", info.daemon_pid));
        }
        ended = end_device(control, id, after_death);
    }
    if (!ended && ended.error().errnum != ENODEV) {  // it went by itself
        const bool stuck = ended.error().kind == ErrorKind::timed_out;
        return fail({.kind = ended.error().kind,
                     .message = ended.error().message + (stuck ? where_it_waits(info.daemon_pid) : ""),
                     .errnum = ended.error().errnum});
    }
    return {};
}

Status delete_devices_of(const std::string& image) {
    REFLUX_TRY(const auto control, ControlDevice::open());
    REFLUX_TRY(const auto devices, all_devices(control));
    if (devices.empty()) {
        return {};
    }
    // Not locked: its daemon may be stuck, and have it open still.
    REFLUX_TRY(const auto fd, open_file(image, O_RDONLY));
    ImageFindings findings;
    REFLUX_TRY(const auto contents, read_image(*make_image_file(fd.get()), findings));
    for (const auto& info : devices) {
        if (info.daemon_word == image_identity(contents.superblock)) {
            REFLUX_CHECK(delete_device(info.id));
        }
    }
    return {};
}

}  // namespace reflux::ublk
