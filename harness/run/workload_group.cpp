#include "harness/run/workload_group.h"

#include "harness/journal/undo.h"

namespace reflux::run {

Result<std::vector<int>> WorkloadGroup::members() const {
    REFLUX_TRY(auto pids, journal::cgroup_members(memcg->workload));
    std::erase(pids, daemon_pid);
    return pids;
}

bool WorkloadGroup::empty() const {
    return members().value_or(std::vector<int>{}).empty();
}

Result<unsigned> WorkloadGroup::kill() const {
    return journal::kill_cgroup(memcg->workload, daemon_pid);
}

bool WorkloadGroup::await_end(Seconds time) const {
    // Of the members of a cgroup that are not our children there is no event (v1 has none at all).
    return journal::wait_until(time, [this] { return empty(); });
}

}  // namespace reflux::run
