// The pictures of one run, as inline SVG that is legible from 360 pixels of width on. Pure.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/wait_graph.h"

#include <string>
#include <vector>

namespace reflux::report::html {

// A change of state, in the order of time.
struct Moment {
    double at_s = 0;
    std::string what;  // plain text, a few words
};
// What happened when: the workload's begin and end, the stall, each rung of relief, faults, the daemon's end.
std::vector<Moment> moments_of(const evidence::Evidence& evidence);

// A <figure>: progress of device and daemon, memory against its limit, pressure, reclaim, over one axis of
// time, with the moments as numbers, and their list below. `id` begins the ids that it uses. Empty where
// nothing was measured over time.
std::string timeline(const evidence::Evidence& evidence, const std::string& id);

// A <figure>: the layers of the stack from the workload down, who waits in each, and, where the wait graph
// closes, the shortest cycle drawn through them; below it the edges with the facts that show them.
std::string diagram(const evidence::Evidence& evidence, const verdict::WaitGraph& graph,
                    const std::string& id);

}  // namespace reflux::report::html
