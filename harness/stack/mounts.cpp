#include "harness/stack/mounts.h"

#include "backend/base/kernel_file.h"

#include <sys/mount.h>
#include <sys/stat.h>

namespace reflux::stack {
namespace {

constexpr Seconds mount_time{60};
constexpr Seconds mkfs_time{120};

std::vector<std::string> mkfs_command(const std::string& type, const std::string& device) {
    if (type == "ext4") {
        return {"mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1", device};
    }
    return {"mkfs." + type, "-q", "-f", "-K", device};
}

}  // namespace

Status make_directory(const std::string& path, journal::Journal& journal) {
    REFLUX_CHECK(journal.intend(journal::Kind::directory, path));
    if (::mkdir(path.c_str(), 0700) != 0) {
        return fail_errno("mkdir " + path);
    }
    return {};
}

Status mount_at(const MountPlan& plan, journal::Journal& journal) {
    if (::access(plan.target.c_str(), F_OK) != 0) {
        REFLUX_CHECK(make_directory(plan.target, journal));
    }
    REFLUX_CHECK(journal.intend(journal::Kind::mount, plan.target));
    const std::string what = fmt::format("mount {} at {}", plan.source, plan.target);
    SpawnOptions options;
    if (!plan.helper_cgroup_procs.empty()) {
        options.cgroup_procs = {plan.helper_cgroup_procs};
    }
    return call_bounded(
        what, mount_time,
        [&]() -> Status {
            if (::mount(plan.source.c_str(), plan.target.c_str(),
                        plan.type.empty() ? nullptr : plan.type.c_str(), plan.flags,
                        plan.data.empty() ? nullptr : plan.data.c_str()) != 0) {
                return fail_errno(what);
            }
            return {};
        },
        options);
}

Status make_private_root(const std::string& path, journal::Journal& journal) {
    REFLUX_CHECK(mount_at({.source = path, .target = path, .type = {}, .flags = MS_BIND}, journal));
    if (::mount(nullptr, path.c_str(), nullptr, MS_PRIVATE, nullptr) != 0) {
        return fail_errno("make mount private " + path);
    }
    return {};
}

Status make_filesystem(const std::string& type, const std::string& device,
                       const std::string& helper_cgroup_procs) {
    const auto command = mkfs_command(type, device);
    SpawnOptions options;
    options.cgroup_procs = {helper_cgroup_procs};
    REFLUX_TRY(const auto result, run_command(command, mkfs_time, options));
    if (!result.exit) {
        return fail(ErrorKind::timed_out,
                    fmt::format("{} {} did not end within {}", command[0], device, to_string(mkfs_time)));
    }
    if (!result.exit->ok()) {
        return fail(ErrorKind::system,
                    fmt::format("{} {}: {}: {}", command[0], device, to_string(*result.exit),
                                fmt::join(split(result.output, '\n'), "; ")));
    }
    return {};
}

std::string mount_options(const std::string& type) {
    return type == "ext4" ? "noinit_itable" : "";
}

}  // namespace reflux::stack
