// The relief ladder: after a stall each rung is tried and progress is watched for a while; the rung after
// which the device completes something again is what held the system.
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
    std::optional<Bytes> limit;  // the limit that presses
    Seconds rung_time{2};        // each rung is watched for this long
    // Looks whether the daemon has ended (and records it): what completes then completes with errors.
    std::function<bool()> daemon_ended;
};

// Climbs until a rung releases the system, an interruption comes, or the ladder ends.
std::vector<evidence::ReliefRung> climb_relief_ladder(const ReliefPlan& plan, Watcher& watcher,
                                                      EventLoop& loop, Console& console);

}  // namespace reflux::run
