#include "harness/stack/stack.h"

#include "harness/journal/undo.h"
#include "harness/stack/daemon_process.h"
#include "harness/stack/loop_device.h"
#include "harness/stack/mounts.h"

#include <algorithm>

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

std::string image_of(const Stack& stack) {
    return stack.lower_mount + "/disk.img";
}

// The file on which the upper device is set: what refluxd serves, or a plain file of the lower filesystem.
std::string served_file(const Plan& plan, const Stack& stack) {
    return plan.with_daemon ? stack.fuse_mount + "/disk" : image_of(stack);
}

Status make_image(const Plan& plan, const Stack& stack, journal::Journal& journal, const Narrator& say) {
    const std::string image = image_of(stack);
    if (plan.with_daemon) {
        REFLUX_CHECK(make_directory(stack.fuse_mount, journal));
        return format_image(plan, image);
    }
    say("no daemon: upper device straight on a lower file");
    return call_bounded("make " + image, Seconds(20), [&]() -> Status {
        REFLUX_TRY(const auto fd, open_file(image, O_RDWR | O_CREAT | O_EXCL));
        return ::ftruncate(fd.get(), static_cast<off_t>(plan.upper_size.value)) == 0
                   ? Status{}
                   : Status(fail_errno("ftruncate " + image));
    });
}

// Daemon, if there is one, and upper device on an image that exists.
Status device_up(const Plan& plan, Stack& stack, journal::Journal& journal, const Narrator& say) {
    if (plan.with_daemon) {
        say(fmt::format("refluxd serves {}", stack.fuse_mount));
        REFLUX_TRY(stack.daemon,
                   start_daemon(plan, image_of(stack), stack.fuse_mount, stack.control_socket, journal));
        REFLUX_TRY(stack.fuse_connection, journal::fuse_connection_at(stack.fuse_mount));
    }
    REFLUX_TRY(stack.upper_device, attach_loop(served_file(plan, stack), journal));
    return {};
}

MountPlan upper_mount_plan(const Plan& plan, const Stack& stack) {
    return {.source = stack.upper_device.path,
            .target = stack.upper_mount,
            .type = plan.upper_fs,
            .data = mount_options(plan.upper_fs),
            .helper_cgroup_procs = plan.helper_cgroup_procs};
}

}  // namespace

Result<Stack> up(const Plan& plan, journal::Journal& journal, const Narrator& say) {
    const std::string& folder = journal.folder();
    const std::string mounts = folder + "/m";
    Stack stack;
    stack.lower_mount = mounts + "/lower";
    stack.fuse_mount = mounts + "/fuse";
    stack.upper_mount = mounts + "/upper";
    stack.control_socket = plan.with_daemon ? folder + "/control" : "";
    REFLUX_CHECK(make_directory(mounts, journal));
    REFLUX_CHECK(make_private_root(mounts, journal));
    stack.fusectl = mount_pseudo("fusectl", mounts, journal, say);
    stack.tracefs = mount_pseudo("tracefs", mounts, journal, say);
    REFLUX_TRY(stack.lower_device, lower_up(plan, stack, folder, journal, say));
    REFLUX_CHECK(make_image(plan, stack, journal, say));
    REFLUX_CHECK(device_up(plan, stack, journal, say));
    say(fmt::format("upper {} on {}", plan.upper_fs, stack.upper_device.path));
    REFLUX_CHECK(make_filesystem(plan.upper_fs, stack.upper_device.path, plan.helper_cgroup_procs));
    REFLUX_CHECK(mount_at(upper_mount_plan(plan, stack), journal));
    return stack;
}

Status remount_upper(const Plan& plan, const Stack& stack, journal::Journal& journal) {
    REFLUX_CHECK(journal::undo_one(journal, journal::Kind::mount, stack.upper_mount));
    return mount_at(upper_mount_plan(plan, stack), journal);
}

Status set_up_again(const Plan& plan, Stack& stack, journal::Journal& journal, const Narrator& say) {
    const std::vector<std::string> names{stack.upper_mount, served_file(plan, stack), stack.fuse_mount,
                                         stack.control_socket};
    const auto above_lower = [&](const journal::Object& object) {
        return object.kind == journal::Kind::process ||
               (object.kind != journal::Kind::directory &&
                std::find(names.begin(), names.end(), object.name) != names.end());
    };
    say("taking down what stands on the lower filesystem");
    const auto report = journal::undo(journal, journal::Mode::escape, above_lower);
    stack.daemon = {};
    stack.fuse_connection.reset();
    if (!report.leftovers.empty()) {
        return fail(ErrorKind::system,
                    fmt::format("could not be taken down: {}", fmt::join(report.leftovers, ", ")));
    }
    REFLUX_CHECK(device_up(plan, stack, journal, say));
    say(fmt::format("upper {} on {}, its journal is recovered", plan.upper_fs, stack.upper_device.path));
    return mount_at(upper_mount_plan(plan, stack), journal);
}

}  // namespace reflux::stack
