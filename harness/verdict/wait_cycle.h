// The search in a wait graph. Deadlock is more than a cycle, for where one of several can end a wait, a cycle
// through one of them proves nothing: the waits close only where a set of nodes wait for each other and no
// edge, known or open, leads out of the set (a knot).
#pragma once

#include "harness/verdict/wait_graph.h"

#include <cstddef>
#include <vector>

namespace reflux::verdict {

// Indexes of edges.
struct ClosedWaits {
    std::vector<std::size_t> edges;  // all of those of knots that hold a daemon thread, in the graph's order
    std::vector<std::size_t> cycle;  // a shortest cycle in them through a daemon thread, from that thread on
};
ClosedWaits closed_waits(const std::vector<WaitNode>& nodes, const std::vector<WaitEdge>& edges);

}  // namespace reflux::verdict
