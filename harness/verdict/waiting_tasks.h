// The tasks that wait beside the daemon in a stall: those in D, and kernel threads of the stack's devices.
// What each waits for, and on whom, as far as its frames and known facts tell:
// - A task of the workload, and a kernel thread of the upper device, waits in the upper filesystem, unless a
//   reclaim lies between: folios and inodes that reclaim meets may belong to any.
// - A wait that ends by I/O (frames.h) waits for that filesystem's device.
// - ext4's journal is committed by its one jbd2 thread, XFS's log space is made by its xfsaild.
// - A loop worker of the upper device that waits for a FUSE answer waits for the connection: the file below
// the
//   upper device is the daemon's.
// Everything else is an open edge, with the innermost known or unknown frame.
#pragma once

#include "harness/verdict/wait_graph.h"

#include <vector>

namespace reflux::verdict {

// Adds them; tasks of one name that wait alike become one node. `evidence.stall` must be set.
void add_waiting_tasks(const evidence::Evidence& evidence, const std::vector<Watched>& tasks,
                       WaitGraph& graph);

}  // namespace reflux::verdict
