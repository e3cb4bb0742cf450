#include "harness/mitigation/mitigation.h"

#include "backend/base/io_flusher.h"
#include "backend/base/kernel_file.h"
#include "backend/base/task_stat.h"

#include <algorithm>
#include <optional>

namespace reflux::mitigation {
namespace {

// Field 9 of every thread's stat.
evidence::Mitigation io_flusher_read_back(const Row& row, const Daemon& daemon) {
    evidence::Mitigation result{.name = row.name, .applied = false, .detail = {}};
    const auto threads = read_threads(fmt::format("{}/{}", daemon.proc, daemon.pid));
    if (!threads) {
        result.detail = threads.error().message;
        return result;
    }
    std::vector<std::string> marked;
    for (const auto& [tid, stat] : *threads) {
        if (!is_io_flusher(stat)) {
            result.detail =
                fmt::format("thread {} ({}) is not marked: flags {:#x}", tid, stat.name, stat.flags);
            return result;
        }
        marked.push_back(fmt::format("{} {:#x}", tid, stat.flags));
    }
    result.applied = true;
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

std::optional<Row> row_of(const std::string& name) {
    for (const auto& row : table()) {
        if (row.name == name) {
            return row;
        }
    }
    return std::nullopt;
}

// For an error.
std::string names_in_table(bool for_programs) {
    std::vector<std::string> names;
    for (const auto& row : table()) {
        if (!for_programs || row.mark_caller != nullptr) {
            names.push_back(row.name);
        }
    }
    return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

const std::vector<Row>& table() {
    static const std::vector<Row> rows{
        {.name = "io_flusher",
         .description = "prctl(PR_SET_IO_FLUSHER) before the daemon makes its first thread",
         .needs_sys_resource = true,
         .effect = {.daemon_arguments = {"--io-flusher"}},
         .read_back = io_flusher_read_back,
         .mark_caller = mark_io_flusher},
        {.name = "own_cgroup",
         .description = "the daemon in a memory cgroup of its own, without the limit",
         .needs_sys_resource = false,
         .effect = {.daemon_arguments = {}, .daemon_apart = true},
         .read_back = own_cgroup_read_back},
    };
    return rows;
}

Result<Row> find(const std::string& name) {
    if (auto row = row_of(name)) {
        return *std::move(row);
    }
    return fail(ErrorKind::invalid_input,
                fmt::format("unknown mitigation '{}'; there are: {}", name, names_in_table(false)));
}

Result<Row> find_for_programs(const std::string& name) {
    auto row = row_of(name);
    if (row && row->mark_caller != nullptr) {
        return *std::move(row);
    }
    return fail(ErrorKind::invalid_input,
                fmt::format("{}; a program can be started with: {}",
                            row ? fmt::format("mitigation '{}' is no property of a program ({})", name,
                                              row->description)
                                : fmt::format("unknown mitigation '{}'", name),
                            names_in_table(true)));
}

}  // namespace reflux::mitigation
