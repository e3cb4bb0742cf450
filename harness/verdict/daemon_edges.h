// The edges of a wait graph by which the daemon can be part of a cycle: rules 1 to 3 of wait_graph.h.
#pragma once

#include "harness/verdict/wait_graph.h"

#include <vector>

namespace reflux::verdict {

// Adds them, and fills `blocked` and `missing`. `evidence.stall` must be set, and a daemon serve the device.
void add_daemon_edges(const evidence::Evidence& evidence, const std::vector<Watched>& tasks,
                      WaitGraph& graph);

}  // namespace reflux::verdict
