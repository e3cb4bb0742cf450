#include "harness/stack/mounts.h"

#include "backend/base/kernel_file.h"
#include "harness/stack/zonefs.h"

#include <algorithm>

#include <sys/mount.h>
#include <sys/stat.h>

namespace reflux::stack {
namespace {

constexpr Seconds mount_time{60};
constexpr Seconds mkfs_time{120};

// What is known of a filesystem: a row of its own adds one.
struct Filesystem {
    std::string_view type;
    std::vector<std::string> mkfs;           // the device comes last
    std::vector<std::string> on_zoned = {};  // more for mkfs, on a zoned device
    Status (*make)(const std::string& device, const std::string& cgroup_procs) = nullptr;  // in mkfs' place
    std::string_view mount_options = {};
};

const std::vector<Filesystem>& filesystems() {
    static const std::vector<Filesystem> rows{
        {.type = "ext4",
         .mkfs = {"mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1"},
         .mount_options = "noinit_itable"},
        {.type = "xfs", .mkfs = {"mkfs.xfs", "-q", "-f", "-K"}},
        // Of what is duplicated on a zoned device only newer kernels know.
        {.type = "btrfs",
         .mkfs = {"mkfs.btrfs", "-q", "-f", "-K"},
         .on_zoned = {"-d", "single", "-m", "single"}},
        // By discards it also empties the zones.
        {.type = "f2fs",
         .mkfs = {"mkfs.f2fs", "-q", "-f", "-t", "0"},
         .on_zoned = {"-m", "-t", "1"},
         .mount_options = "background_gc=off"},
        {.type = "zonefs", .mkfs = {}, .make = format_zonefs},
    };
    return rows;
}

Result<const Filesystem*> filesystem(const std::string& type) {
    const auto& rows = filesystems();
    const auto found =
        std::find_if(rows.begin(), rows.end(), [&](const Filesystem& row) { return row.type == type; });
    if (found == rows.end()) {
        return fail(ErrorKind::invalid_input, fmt::format("no filesystem '{}' is known here", type));
    }
    return &*found;
}

bool is_zoned(const std::string& device) {
    const auto name = device.substr(device.rfind('/') + 1);
    const auto model = read_file(fmt::format("/sys/class/block/{}/queue/zoned", name));
    return model && trimmed(*model) != "none";
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
                       const std::string& helper_cgroup_procs, const std::vector<std::string>& more) {
    REFLUX_TRY(const auto* const row, filesystem(type));
    if (row->make != nullptr) {
        return row->make(device, helper_cgroup_procs);
    }
    auto command = row->mkfs;
    if (is_zoned(device)) {
        command.insert(command.end(), row->on_zoned.begin(), row->on_zoned.end());
    }
    command.insert(command.end(), more.begin(), more.end());
    command.push_back(device);
    SpawnOptions options;
    if (!helper_cgroup_procs.empty()) {
        options.cgroup_procs = {helper_cgroup_procs};
    }
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
    const auto row = filesystem(type);
    return row ? std::string((*row)->mount_options) : "";
}

}  // namespace reflux::stack
