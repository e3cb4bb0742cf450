// What the trace of a run costs the stack that is traced.
#pragma once

#include "backend/base/result.h"
#include "harness/evidence/evidence.h"
#include "harness/observe/trace.h"
#include "harness/run/event_loop.h"

#include <optional>
#include <string>

namespace reflux::run {

struct TraceCostPlan {
    std::string directory;     // on the upper filesystem
    std::string cgroup_procs;  // of the workload: what writes is charged as it is
    std::string device;        // "7:1", the upper one
};

// Some five seconds of direct writes over one unnamed file of the upper filesystem, by a child that is killed
// in the end, while the trace goes off and on (overhead_meter.h). Direct, because what goes through a page
// cache comes in bursts as long as a window. The counters of the device are compared. nullopt: the daemon
// ended or somebody interrupted. timed_out: the child hangs on the stack, and has got its SIGKILL. The trace
// records when it returns, as far as the kernel lets it.
Result<std::optional<evidence::TraceOverhead>> measure_trace_cost(const TraceCostPlan& plan,
                                                                  observe::TraceInstance& trace,
                                                                  EventLoop& loop);

}  // namespace reflux::run
