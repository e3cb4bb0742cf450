// A control without a daemon: the kernel's own zoned disk in memory. Source:
// Documentation/block/null_blk.rst.
#include "backend/base/kernel_file.h"
#include "harness/stack/configfs.h"
#include "harness/stack/front_end.h"
#include "harness/stack/kernel_modules.h"

namespace reflux::stack {
namespace {

Status up(Building& building) {
    const Plan& plan = building.plan;
    REFLUX_CHECK(load_module("null_blk", building.journal, {"nr_devices=0"}));
    REFLUX_CHECK(mount_configfs(building.journal));
    // The kernel names the disk after the folder, from 6.0 on; before, by a number that it tells in `index`.
    const auto name = device_name(building.journal);
    const auto folder = fmt::format("{}/nullb/{}", configfs_root, name);
    REFLUX_CHECK(make_configfs_folder(folder, building.journal));
    const std::vector<std::pair<std::string, std::uint64_t>> values{
        {"size", plan.upper_size.value >> 20U},
        {"blocksize", 4096},
        {"memory_backed", 1},
        {"zoned", plan.zone_model == "host-managed" ? 1 : 0},
        {"zone_size", plan.zone_size.value >> 20U},
        {"zone_nr_conv", plan.conventional_zones},
        {"power", 1}};
    for (const auto& [key, value] : values) {
        REFLUX_CHECK(write_configfs(fmt::format("{}/{}", folder, key), std::to_string(value)));
    }
    auto device = block_device(name);
    if (!device) {
        REFLUX_TRY(const auto index, read_number(folder + "/index"));
        device = block_device(fmt::format("nullb{}", index));
    }
    REFLUX_TRY(building.stack.served_device, std::move(device));
    return check_zones(building.stack.served_device, plan);
}

}  // namespace

FrontEnd null_blk_front_end() {
    return {.name = "null_blk", .modules_of_up = {"null_blk"}, .up = up};
}

}  // namespace reflux::stack
