#include "harness/mitigation/mitigation.h"

#include "backend/base/kernel_file.h"
#include "backend/base/task_stat.h"

#include <algorithm>

namespace reflux::mitigation {
namespace {

// Field 9 of every thread's stat.
evidence::Mitigation io_flusher_read_back(const Row& row, const Daemon& daemon) {
    evidence::Mitigation result{.name = row.name, .applied = false, .detail = {}};
    const std::string folder = fmt::format("{}/{}/task", daemon.proc, daemon.pid);
    const auto tids = list_directory(folder);
    if (!tids) {
        result.detail = tids.error().message;
        return result;
    }
    std::vector<std::string> marked;
    for (const auto& tid : *tids) {
        const auto stat = read_task_stat(fmt::format("{}/{}/stat", folder, tid));
        if (!stat || (stat->flags & pf_io_flusher) != pf_io_flusher) {
            result.detail =
                stat ? fmt::format("thread {} ({}) is not marked: flags {:#x}", tid, stat->name, stat->flags)
                     : stat.error().message;
            return result;
        }
        marked.push_back(fmt::format("{} {:#x}", tid, stat->flags));
    }
    result.applied = !marked.empty();
    result.detail =
        fmt::format("PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE on every thread: {}", fmt::join(marked, ", "));
    return result;
}

// The daemon's line of /proc/PID/cgroup does not name the limited cgroup.
evidence::Mitigation own_cgroup_read_back(const Row& row, const Daemon& daemon) {
    evidence::Mitigation result{.name = row.name, .applied = false, .detail = {}};
    const auto text = read_file(fmt::format("{}/{}/cgroup", daemon.proc, daemon.pid));
    if (!text) {
        result.detail = text.error().message;
        return result;
    }
    for (const auto& line : lines_of(*text)) {
        // "HIERARCHY:CONTROLLERS:PATH", cgroups(7); `pressed_cgroup` ends in that path.
        const auto path = line.substr(std::min(line.rfind(':') + 1, line.size()));
        if (path.size() > 1 && daemon.pressed_cgroup.ends_with(path)) {
            result.detail = "the daemon is in the limited cgroup " + path;
            return result;
        }
        if (path.find("/reflux-") != std::string::npos) {
            result.applied = true;
            result.detail = "the daemon is in " + path;
        }
    }
    if (!result.applied) {
        result.detail = "the daemon is in none of the run's cgroups";
    }
    return result;
}

}  // namespace

const std::vector<Row>& table() {
    static const std::vector<Row> rows{
        {.name = "io_flusher",
         .description = "prctl(PR_SET_IO_FLUSHER) before the daemon makes its first thread",
         .needs_sys_resource = true,
         .effect = {.daemon_arguments = {"--io-flusher"}},
         .read_back = io_flusher_read_back},
        {.name = "own_cgroup",
         .description = "the daemon in a memory cgroup of its own, without the limit",
         .needs_sys_resource = false,
         .effect = {.daemon_arguments = {}, .daemon_apart = true},
         .read_back = own_cgroup_read_back},
    };
    return rows;
}

Result<Row> find(const std::string& name) {
    std::vector<std::string> names;
    for (const auto& row : table()) {
        if (row.name == name) {
            return row;
        }
        names.push_back(row.name);
    }
    return fail(ErrorKind::invalid_input,
                fmt::format("unknown mitigation '{}'; there are: {}", name, fmt::join(names, ", ")));
}

}  // namespace reflux::mitigation
