// The relief ladder, a causal experiment: after a stall each rung is tried alone, and I/O is watched before
// and under it; the rung under which it resumes and goes on is what held the system. A rung that did not
// release is undone before the next one; what cannot be undone is in the evidence.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/pressure/memcg.h"
#include "harness/run/console.h"
#include "harness/run/event_loop.h"
#include "harness/run/watcher.h"
#include "harness/stack/stack.h"

#include <functional>

namespace reflux::run {

struct ReliefPlan {
    const stack::Stack* stack = nullptr;
    const pressure::Memcg* memcg = nullptr;
    std::vector<std::string> rungs;  // names of scenario::rungs, in the order in which they are tried
    Seconds rung_time{2};            // I/O must resume within this; it is watched for as long again then
    Seconds stall_window{8};         // each rung is compared with this much before it
    double last_completion_s = 0;    // before the stall
    // Looks whether the daemon has ended (and records it): what completes then completes with errors.
    std::function<bool()> daemon_ended;
};

// Climbs until a rung releases the system, an interruption comes, or the ladder ends. Nothing here blocks:
// what may is done in a child with a deadline.
std::vector<evidence::ReliefRung> climb_relief_ladder(const ReliefPlan& plan, Watcher& watcher,
                                                      EventLoop& loop, Console& console);

}  // namespace reflux::run
