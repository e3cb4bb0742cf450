// The nodes of a stall's wait graph that more than one kind of edge ends at.
#pragma once

#include "harness/verdict/wait_graph.h"

#include <cstddef>

namespace reflux::verdict {

std::size_t task_node(const evidence::Evidence& evidence, const evidence::TaskSample& task, WaitGraph& graph);
std::size_t upper_device_node(const evidence::Evidence& evidence, WaitGraph& graph);
// By which the daemon's answers come: "connection 43", "tcmu device 8:0".
std::string connection_words(const evidence::Devices& devices);
// What waits for the daemon there, where that is counted apart from the upper device.
std::optional<std::uint64_t> waiting_of(const evidence::ProgressPoint& point);
std::size_t lower_device_node(const evidence::Evidence& evidence, WaitGraph& graph);
std::size_t connection_node(const evidence::Evidence& evidence, WaitGraph& graph);
// A wait that ends by time.
std::size_t pause_node(Wait wait, WaitGraph& graph);
// A new one each time: unknowns are not known to be the same.
std::size_t unknown_node(WaitGraph& graph);

// The last counters from before the stall was found; later ones belong to the relief ladder. nullptr: none.
const evidence::ProgressPoint* counters_in_stall(const evidence::Evidence& evidence);

}  // namespace reflux::verdict
