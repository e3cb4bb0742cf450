// Mitigations that are made of the machine around the daemon: cgroups, backing devices, filesystems, sysctls.
#include "backend/base/kernel_file.h"
#include "backend/base/mountinfo.h"
#include "harness/mitigation/rows.h"

#include <algorithm>

#include <unistd.h>

namespace reflux::mitigation {
namespace {

// The daemon's line of /proc/PID/cgroup does not name the limited cgroup.
evidence::Mitigation own_cgroup_read_back(const Row& row, const Target& target) {
    const auto text = read_file(fmt::format("{}/{}/cgroup", target.proc, target.pid));
    if (!text) {
        return not_in_force(row, text.error().message);
    }
    std::string found;
    for (const auto& line : lines_of(*text)) {
        // "HIERARCHY:CONTROLLERS:PATH", cgroups(7); `pressed_cgroup` ends in that path.
        const auto path = line.substr(std::min(line.rfind(':') + 1, line.size()));
        if (path.size() > 1 && target.pressed_cgroup.ends_with(path)) {
            return not_in_force(row, "the daemon is in the limited cgroup " + path);
        }
        if (path.find("/reflux-") != std::string::npos) {
            found = path;
        }
    }
    return found.empty() ? not_in_force(row, "the daemon is in none of the run's cgroups")
                         : in_force(row, "the daemon is in " + found);
}

Settings oom_score(const std::string& value) {
    return [value](const Target& target) -> Result<std::vector<Setting>> {
        return std::vector<Setting>{
            {.path = fmt::format("{}/{}/oom_score_adj", target.proc, target.pid), .value = value}};
    };
}

// Reclaim of the limited parent passes over the daemon's pages up to this (mem_cgroup_below_min()), half of
// the usual limit.
constexpr std::uint64_t protected_bytes = 32U << 20U;

Result<std::vector<Setting>> memory_min(const Target& target) {
    // Reclaim that begins at the root sees what the parents protect too (effective_protection()): nothing.
    REFLUX_TRY(const auto limit, read_file(target.pressed_cgroup + "/memory.max"));
    if (trimmed(limit) == "max") {
        return fail(
            ErrorKind::unsupported,
            "nothing is limited: memory.min of the daemon's cgroup alone protects only from the reclaim of a "
            "limited parent");
    }
    return std::vector<Setting>{
        {.path = target.daemon_cgroup + "/memory.min", .value = std::to_string(protected_bytes)}};
}

// A file of the lower filesystem's backing device. Filesystems on one block device use that device's; btrfs
// has one of its own (super_setup_bdi()), whose number /sys does not connect with the mount.
Settings bdi_setting(const char* file, const char* value, const char* since) {
    return [=](const Target& target) -> Result<std::vector<Setting>> {
        REFLUX_TRY(const auto all, mounts());
        const auto lower = std::ranges::find(all, target.lower_mount, &Mount::mount_point);
        if (lower != all.end() && lower->filesystem == "btrfs") {
            return fail(ErrorKind::unsupported, "btrfs writes back under a backing device of its own");
        }
        const std::string path = fmt::format("{}/class/bdi/{}/{}", target.sys, target.lower_device, file);
        if (::access(path.c_str(), F_OK) != 0) {
            return fail(ErrorKind::unsupported, fmt::format("there is no {} ({})", path, since));
        }
        return std::vector<Setting>{{.path = path, .value = value, .outlives_run = true}};
    };
}

Row bdi_row(const char* name, std::string description, const char* file, const char* value,
            const char* since) {
    return {.name = name,
            .description = std::move(description),
            .place = Place::bdi,
            .settings = bdi_setting(file, value, since),
            .read_back = settings_read_back};
}

evidence::Mitigation lower_fs_read_back(const Row& row, const Target& target) {
    const auto all = mounts();
    if (!all) {
        return not_in_force(row, all.error().message);
    }
    const auto lower = std::ranges::find(*all, target.lower_mount, &Mount::mount_point);
    if (lower == all->end()) {
        return not_in_force(row, "nothing is mounted at " + target.lower_mount);
    }
    const auto seen = fmt::format("{} at {}", lower->filesystem, lower->mount_point);
    return lower->filesystem == row.effect.lower_fs ? in_force(row, seen) : not_in_force(row, seen);
}

Row lower_row(const std::string& type, std::string description) {
    return {.name = "lower_" + type,
            .description = std::move(description),
            .place = Place::lower_fs,
            .effect = {.lower_fs = type},
            .read_back = lower_fs_read_back};
}

// The kernel gives a connection this when it has answered INIT (process_init_limits(), fs/fuse/inode.c), and
// aborts it when a request is older; it looks every 15 s. No file shows what a connection has. Others of the
// machine that are made meanwhile get it too, so it is put back when ours has it.
constexpr const char* timeout_file = "/sys/fs/fuse/default_request_timeout";

Result<std::vector<Setting>> request_timeout(const Target& target) {
    return std::vector<Setting>{
        {.path = target.proc + timeout_file, .value = "15", .outlives_run = true, .until_stack = true}};
}

}  // namespace

std::vector<Row> machine_rows() {
    auto btrfs = lower_row("btrfs", "btrfs below the daemon: its page cache allocates without __GFP_FS");
    btrfs.excludes = {"lower_xfs"};
    Row timeout{.name = "request_timeout",
                .description = "fs.fuse.default_request_timeout: a request of 15 s ends the FUSE connection",
                .place = Place::sysctl,
                .needs = {.files = {std::string("/proc") + timeout_file},
                          .why = "this kernel's FUSE knows no request timeout (Linux 6.15)"},
                .before = request_timeout,
                .read_back = settings_read_back};
    timeout.effect.stall_window = Seconds(45);  // it acts after 15 to 30 s
    return {
        {.name = "oom_protect",
         .description = "oom_score_adj -1000 for the daemon: the OOM killer passes it over",
         .place = Place::process,
         .needs = {.sys_resource = true},  // to lower it (fs/proc/base.c, __set_oom_adj())
         .settings = oom_score("-1000"),
         .read_back = settings_read_back},
        {.name = "own_cgroup",
         .description = "the daemon in a memory cgroup of its own, without the limit",
         .place = Place::cgroup,
         .effect = {.daemon_place = DaemonPlace::apart},
         .read_back = own_cgroup_read_back},
        {.name = "memory_min",
         .description = "the daemon in a child of the limited cgroup, with memory.min of 32 MiB",
         .place = Place::cgroup,
         .needs = {.cgroup_version = "v2",
                   .why = "cgroup v1 protects no memory: its memory.soft_limit_in_bytes chooses victims of "
                          "global reclaim, and a limit's own reclaim does not look at it"},
         .effect = {.daemon_place = DaemonPlace::sibling},
         .settings = memory_min,
         .read_back = settings_read_back,
         .excludes = {"own_cgroup"}},
        bdi_row("bdi_max_ratio", "the lower filesystem may hold 1 % of the dirty limit", "max_ratio", "1",
                "every backing device has it"),
        bdi_row("bdi_strict_limit",
                "the lower filesystem's dirty pages are limited even below the machine's threshold",
                "strict_limit", "1", "Linux 6.2"),
        lower_row("xfs", "XFS below the daemon: its page cache allocates without __GFP_FS"),
        btrfs,
        timeout,
    };
}

}  // namespace reflux::mitigation
