// A control without a daemon: the kernel's own emulated SCSI disk, in memory. Source:
// drivers/scsi/scsi_debug.c.
#include "backend/base/kernel_file.h"
#include "harness/stack/front_end.h"
#include "harness/stack/kernel_modules.h"

#include <unistd.h>

namespace reflux::stack {
namespace {

constexpr Seconds appear_time{60};

// The disk of the module's only host.
std::string disk_name() {
    const auto names = list_directory("/sys/block");
    for (const auto& name : names ? *names : std::vector<std::string>{}) {
        const auto model = read_file(fmt::format("/sys/block/{}/device/model", name));
        if (model && trimmed(*model) == "scsi_debug") {
            return name;
        }
    }
    return {};
}

Status up(Building& building) {
    const Plan& plan = building.plan;
    if (::access("/sys/module/scsi_debug", F_OK) == 0) {
        return fail(ErrorKind::unsupported, "scsi_debug is loaded already, with a disk of somebody's");
    }
    std::vector<std::string> parameters{fmt::format("dev_size_mb={}", plan.upper_size.value >> 20U),
                                        "sector_size=4096"};
    if (plan.zone_model == "host-managed") {
        parameters.insert(parameters.end(),
                          {"zbc=managed", fmt::format("zone_size_mb={}", plan.zone_size.value >> 20U),
                           fmt::format("zone_nr_conv={}", plan.conventional_zones)});
    }
    REFLUX_CHECK(load_module("scsi_debug", building.journal, parameters));
    REFLUX_TRY(building.stack.served_device, await_block_device("scsi_debug's disk", appear_time, disk_name));
    return check_zones(building.stack.served_device, plan);
}

}  // namespace

FrontEnd scsi_debug_front_end() {
    return {.name = "scsi_debug", .modules = {"sd_mod"}, .modules_of_up = {"scsi_debug"}, .up = up};
}

}  // namespace reflux::stack
