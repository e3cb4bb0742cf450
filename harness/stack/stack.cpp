#include "harness/stack/stack.h"

#include "backend/base/kernel_file.h"
#include "harness/journal/undo.h"
#include "harness/stack/dm_integrity.h"
#include "harness/stack/dm_zoned.h"
#include "harness/stack/front_end.h"
#include "harness/stack/kernel_modules.h"
#include "harness/stack/loop_device.h"
#include "harness/stack/mounts.h"

#include <algorithm>
#include <array>

namespace reflux::stack {
namespace {

// Pseudo filesystems that we need, mounted for this run only: a host need not have them mounted. Empty: this
// kernel has none, and what it would have told is missing from the evidence.
std::string mount_pseudo(const std::string& type, const std::string& folder, journal::Journal& journal,
                         const Narrator& say) {
    std::string target = folder + "/" + type;
    if (const auto mounted = mount_at({.source = type, .target = target, .type = type}, journal); !mounted) {
        say(fmt::format("no {}: {}", type, mounted.error().message));
        return {};
    }
    return target;
}

Result<BlockDevice> lower_up(const Plan& plan, Stack& stack, const std::string& folder,
                             journal::Journal& journal, const Narrator& say) {
    const std::string image = plan.image_folder + "/" + folder.substr(folder.rfind('/') + 1) + ".img";
    say(fmt::format("lower image {}, {}", image, to_string(plan.lower_size)));
    REFLUX_CHECK(make_sparse_file(image, plan.lower_size, journal));
    REFLUX_TRY(auto device, attach_loop(image, journal));
    say(fmt::format("lower {} on {}", plan.lower_fs, device.path));
    REFLUX_CHECK(make_filesystem(plan.lower_fs, device.path, plan.helper_cgroup_procs));
    REFLUX_CHECK(mount_at({.source = device.path,
                           .target = stack.lower_mount,
                           .type = plan.lower_fs,
                           .data = mount_options(plan.lower_fs),
                           .helper_cgroup_procs = plan.helper_cgroup_procs},
                          journal));
    return device;
}

// The mapping between the served disk and the upper filesystem, new or as it was left.
Result<BlockDevice> map_up(Building& building, bool is_new) {
    const BlockDevice& served = building.stack.served_device;
    if (building.plan.map.empty()) {
        return served;
    }
    building.say(fmt::format("{} on {}", building.plan.map, served.path));
    REFLUX_CHECK(load_module(building.plan.map, building.journal));
    const auto name = device_name(building.journal);
    if (building.plan.map == "dm-integrity") {
        REFLUX_CHECK(is_new ? format_dm_integrity(served.path, name, building.journal) : Status{});
        return dm_integrity_up(served.path, name, building.journal);
    }
    REFLUX_CHECK(is_new ? format_dm_zoned(served.path) : Status{});
    return dm_zoned_up(served.path, name, building.journal);
}

// Daemon, if there is one, and upper device on an image that exists.
Status devices_up(Building& building, bool is_new) {
    const FrontEnd* front_end = find_front_end(building.plan.front_end);
    for (const auto module : front_end->modules) {
        REFLUX_CHECK(load_module(module, building.journal));
    }
    for (const auto module : front_end->modules_of_kernel) {
        if (can_load_module(module)) {
            REFLUX_CHECK(load_module(module, building.journal));
        }
    }
    REFLUX_CHECK(front_end->up(building));
    REFLUX_TRY(building.stack.upper_device, map_up(building, is_new));
    return {};
}

MountPlan upper_mount_plan(const Plan& plan, const Stack& stack) {
    std::string options = mount_options(plan.upper_fs);
    if (!options.empty() && !plan.upper_options.empty()) {
        options += ",";
    }
    return {.source = stack.upper_device.path,
            .target = stack.upper_mount,
            .type = plan.upper_fs,
            .data = options + plan.upper_options,
            .helper_cgroup_procs = plan.helper_cgroup_procs};
}

// All of it, from the private root of its mounts up to the upper filesystem.
Status build(Building& building, const std::string& mounts) {
    const Plan& plan = building.plan;
    Stack& stack = building.stack;
    journal::Journal& journal = building.journal;
    const Narrator& say = building.say;
    const FrontEnd* front_end = find_front_end(plan.front_end);
    REFLUX_CHECK(make_directory(mounts, journal));
    REFLUX_CHECK(make_private_root(mounts, journal));
    stack.fusectl = mount_pseudo("fusectl", mounts, journal, say);
    stack.tracefs = mount_pseudo("tracefs", mounts, journal, say);
    if (front_end->make_image != nullptr) {
        REFLUX_TRY(stack.lower_device, lower_up(plan, stack, journal.folder(), journal, say));
        REFLUX_CHECK(front_end->make_image(building));
    }
    stack.first_above_image = journal.next_id();
    REFLUX_CHECK(devices_up(building, true));
    say(fmt::format("upper {} on {}", plan.upper_fs, stack.upper_device.path));
    building.trouble.waited_for = fmt::format("{} on its disk", plan.upper_fs);
    REFLUX_CHECK(
        make_filesystem(plan.upper_fs, stack.upper_device.path, plan.helper_cgroup_procs, plan.upper_mkfs));
    return mount_at(upper_mount_plan(plan, stack), journal);
}

}  // namespace

Result<BlockDevice> block_device(const std::string& name) {
    REFLUX_TRY(const auto number, read_file(fmt::format("/sys/block/{}/dev", name)));
    return BlockDevice{.path = "/dev/" + name, .name = name, .number = trimmed(number)};
}

Result<Bytes> size_of(const BlockDevice& device) {
    REFLUX_TRY(const auto sectors, read_number(fmt::format("/sys/block/{}/size", device.name)));
    return Bytes{sectors * sector_size};
}

Result<Stack> up(const Plan& plan, journal::Journal& journal, const Narrator& say) {
    if (find_front_end(plan.front_end) == nullptr) {
        return fail(ErrorKind::invalid_input, "there is no front end " + plan.front_end);
    }
    const std::string& folder = journal.folder();
    const std::string mounts = folder + "/m";
    Stack stack;
    stack.lower_mount = mounts + "/lower";
    stack.fuse_mount = mounts + "/fuse";
    stack.upper_mount = mounts + "/upper";
    stack.control_socket = !plan.refluxd.empty() && !plan.foreign ? folder + "/control" : "";
    Building building{.plan = plan, .stack = stack, .journal = journal, .say = say};
    if (auto built = build(building, mounts); !built) {
        blame_daemon(building, built.error());
        return fail(std::move(built.error()));
    }
    return stack;
}

Status remount_upper(const Plan& plan, const Stack& stack, journal::Journal& journal) {
    REFLUX_CHECK(journal::undo_one(journal, journal::Kind::mount, stack.upper_mount));
    return mount_at(upper_mount_plan(plan, stack), journal);
}

Status set_up_again(const Plan& plan, Stack& stack, journal::Journal& journal, const Narrator& say) {
    using journal::Kind;
    // What observes and what mitigates stays.
    static constexpr std::array kept{Kind::trace_instance, Kind::trace_probes, Kind::setting, Kind::cgroup,
                                     Kind::subtree_control};
    const auto above_lower = [&](const journal::Object& object) {
        return object.id >= stack.first_above_image && std::ranges::find(kept, object.kind) == kept.end();
    };
    say("taking down what stands on the lower filesystem");
    const auto report = journal::undo(journal, journal::Mode::escape, above_lower);
    stack.daemon = {};
    stack.fuse_connection.reset();
    stack.abort.reset();
    if (!report.leftovers.empty()) {
        return fail(ErrorKind::system,
                    fmt::format("could not be taken down: {}", fmt::join(report.leftovers, ", ")));
    }
    Building building{.plan = plan, .stack = stack, .journal = journal, .say = say};
    REFLUX_CHECK(devices_up(building, false));
    say(fmt::format("upper {} on {}, its journal is recovered", plan.upper_fs, stack.upper_device.path));
    return mount_at(upper_mount_plan(plan, stack), journal);
}

}  // namespace reflux::stack
