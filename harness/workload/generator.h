// The generator: worker processes that write, rewrite, append, rename, remove and sync below a directory.
#pragma once

#include "backend/base/result.h"
#include "harness/workload/progress.h"

#include <string>

namespace reflux::workload {

// Runs the plan of `state` below `directory`, which must be empty, to its end: all work done, the time limit,
// or an error in a worker. The sequence of operations of a worker is a pure function of seed and worker,
// whatever the timing (ENOSPC apart). Forks plan.workers processes, which stay in the caller's cgroup and die
// with it, and waits for all of them without a deadline: a worker may hang in the kernel for good, and it is
// the harness, not this process, that owns the deadline. A failed or killed worker is an error; reaching the
// time limit is none. Threads: call from a single-threaded process.
Status run_workload(const SharedState& state, const std::string& directory);

}  // namespace reflux::workload
