// The processes of the workload, as its cgroup lists them: generator, workers, and nobody else.
#pragma once

#include "backend/base/child.h"
#include "harness/pressure/memcg.h"

#include <vector>

namespace reflux::run {

// With placement shared the daemon is in the same cgroup; it is left out.
struct WorkloadGroup {
    const pressure::Memcg* memcg = nullptr;
    int daemon_pid = 0;

    [[nodiscard]] Result<std::vector<int>> members() const;
    // None is left; also where that cannot be read.
    [[nodiscard]] bool empty() const;
    // SIGKILL to all; returns to how many. Does not wait.
    [[nodiscard]] Result<unsigned> kill() const;
    // Waits until none is left; false: not within `time`.
    [[nodiscard]] bool await_end(Seconds time) const;
};

}  // namespace reflux::run
