// A SCSI disk whose commands a user-space handler answers: target_core_user below, tcm_loop as its transport.
// Sources: Documentation/target/tcmu-design.rst; drivers/target/target_core_user.c and loopback/tcm_loop.c.
#include "backend/base/kernel_file.h"
#include "harness/journal/undo.h"
#include "harness/stack/configfs.h"
#include "harness/stack/front_end.h"

#include <unistd.h>

namespace reflux::stack {
namespace {

constexpr const char* core = "/sys/kernel/config/target/core";
constexpr const char* loopback = "/sys/kernel/config/target/loopback";
constexpr Seconds appear_time{60};  // an emulated machine reports the zones of a disk slowly
constexpr Seconds handler_time{30};

// The name of a folder that is not there yet: PREFIX0, PREFIX1, …
std::string free_name(const std::string& prefix) {
    for (unsigned number = 0;; ++number) {
        std::string name = prefix + std::to_string(number);
        if (::access(name.c_str(), F_OK) != 0) {
            return name;
        }
    }
}

// Each handler of a machine is asked about each device, and tcmu-runner answers for those of others, too.
Status check_alone() {
    const auto adapters = list_directory(core).value_or(std::vector<std::string>{});
    for (const auto& name : adapters) {
        if (name.starts_with("user_")) {
            return fail(ErrorKind::unsupported,
                        fmt::format("{}/{}: this machine has a TCMU device already; take it away, or use a "
                                    "virtual machine: --vm 6.1",
                                    core, name));
        }
    }
    for (const auto& pid : list_directory("/proc").value_or(std::vector<std::string>{})) {
        const auto name = read_file(fmt::format("/proc/{}/comm", pid));
        if (name && trimmed(*name) == "tcmu-runner") {
            return fail(ErrorKind::unsupported,
                        fmt::format("tcmu-runner is running (pid {}): stop that service, or use a virtual "
                                    "machine: --vm 6.1",
                                    pid));
        }
    }
    return {};
}

// A handler that has just begun may not listen yet; the kernel says EAGAIN then, or EINTR.
Status enable(const std::string& device) {
    Status enabled;
    const bool done = journal::wait_until(handler_time, [&] {
        enabled = write_configfs(device + "/enable", "1");
        return enabled || (enabled.error().errnum != EAGAIN && enabled.error().errnum != EINTR);
    });
    return done ? enabled : Status(fail(enabled.error().within("no handler takes the device")));
}

Result<std::string> make_core_device(Building& building, const std::string& config) {
    const std::string adapter = free_name(std::string(core) + "/user_");
    const std::string device = adapter + "/" + device_name(building.journal);
    REFLUX_CHECK(make_configfs_folder(adapter, building.journal));
    REFLUX_CHECK(make_configfs_folder(device, building.journal));
    REFLUX_CHECK(
        write_configfs(device + "/control", fmt::format("dev_size={}", building.plan.upper_size.value)));
    REFLUX_CHECK(write_configfs(device + "/control", "dev_config=" + config));
    REFLUX_CHECK(enable(device));
    // Else the kernel's own timeouts end a stall with I/O errors.
    REFLUX_CHECK(write_configfs(device + "/attrib/cmd_time_out", "0"));
    return device;
}

// The SCSI disk of the target port, of which tcm_loop shows "2:0:1"; empty: there is none yet.
std::string disk_of(const std::string& port) {
    const auto address = read_file(port + "/address");
    const auto names =
        list_directory(fmt::format("/sys/bus/scsi/devices/{}:0/block", address ? trimmed(*address) : "none"));
    return names && !names->empty() ? names->front() : "";
}

Result<BlockDevice> make_disk(Building& building, const std::string& device) {
    REFLUX_CHECK(::access(loopback, F_OK) == 0 ? Status{} : make_configfs_folder(loopback, building.journal));
    const std::string target = free_name(std::string(loopback) + "/naa.600140500000000");
    const std::string port = target + "/tpgt_1";
    const std::string lun = port + "/lun/lun_0";
    REFLUX_CHECK(make_configfs_folder(target, building.journal));
    REFLUX_CHECK(make_configfs_folder(port, building.journal));
    REFLUX_CHECK(write_configfs(port + "/nexus", target.substr(target.rfind('/') + 1)));
    REFLUX_CHECK(make_configfs_folder(lun, building.journal));
    REFLUX_CHECK(make_configfs_link(device, lun + "/" + device_name(building.journal), building.journal));
    REFLUX_TRY(auto disk,
               await_block_device("a SCSI disk of " + port, appear_time, [&] { return disk_of(port); }));
    constexpr const char* a_day = "86400";
    REFLUX_CHECK(write_file(fmt::format("/sys/block/{}/device/timeout", disk.name), a_day));
    return disk;
}

Status up(Building& building) {
    REFLUX_CHECK(mount_configfs(building.journal));
    REFLUX_CHECK(check_alone());
    const auto name = device_name(building.journal);
    REFLUX_TRY(auto arguments, zone_memory_arguments(building));
    arguments.insert(arguments.end(), {"--front-end", "tcmu", "--name", name});
    REFLUX_CHECK(daemon_up(building, arguments));
    const auto config =
        building.plan.foreign ? filled(building.plan.foreign->config, building) : "reflux/" + name;
    REFLUX_TRY(const auto device, make_core_device(building, config));
    REFLUX_TRY(building.stack.served_device, make_disk(building, device));
    // New commands fail at once (the kernel wants the newline), then those that the ring holds; what found no
    // room in it moves up, so twice.
    const std::string state = fmt::format("/sys/block/{}/device/state", building.stack.served_device.name);
    const std::string reset = device + "/action/reset_ring";
    building.stack.abort =
        Abort{.what = "ring", .writes = {{state, "offline\n"}, {reset, "2"}, {reset, "2"}}};
    return {};
}

}  // namespace

FrontEnd tcmu_front_end() {
    return {.name = "tcmu",
            // The last one where no udev loads it for a new disk.
            .modules = {"target_core_user", "tcm_loop", "sd_mod"},
            // transport_subsystem_check_init
            .modules_of_kernel = {"target_core_iblock", "target_core_file", "target_core_pscsi"},
            .make_image = make_daemon_image,
            .up = up};
}

}  // namespace reflux::stack
