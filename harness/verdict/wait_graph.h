// The wait graph of a stall: does what the blocked daemon threads wait for depend on those threads
// themselves?
//
// Nodes: daemon thread, upper device, connection, request. Edges, each claimed only with a fact:
//  1. thread T -> upper device D. T is in D state, in one unbounded wait inside a reclaim (same stack, no
//     context switch from the first to the last snapshot), and
//     - the last trace event of T, in a reclaim that has not ended, names D: for a wait on folio writeback it
//       must be folio_wait_writeback (wait_on_page_writeback); for a wait on a journal, transaction, buffer,
//       inode or I/O, any event of D will do, but then a task of the upper filesystem must be seen in an
//       unbounded wait for I/O too: what T waits for is in that task's hands; or
//     - no event of T's open reclaim names a device, and writing to the connection's `abort` freed T after
//       every rung before it had failed: then what T waited for depended on the connection. (It may be a
//       folio of the upper filesystem or of the FUSE file itself, so this closes the graph, but shows no
//       recursion "upper".) A trace that names another device is never overruled by it.
//  2. D -> connection. devices.front_end is served by the daemon ("fuse"), and I/O is owed: the daemon holds
//     a request, the connection's `waiting` counts one, or D has I/O in flight.
//  3. connection -> T. No daemon thread can answer but blocked ones. That holds if all threads that take
//     requests (daemon_io_tids; all daemon threads when that is not known) are blocked; or if each of the
//     others is idle with no request in hand, while every request that is owed is in the hands of blocked
//     threads: none is queued in the daemon (tid 0), and the connection's `waiting` does not exceed what the
//     daemon holds, so there is nothing that an idle thread could still take.
//     Blocked here is also a thread that waits for T: it is in D throughout, without a context switch, at the
//     lock of a write function that T is inside of (the lock of the image's inode).
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/watch.h"

#include <string>
#include <vector>

namespace reflux::verdict {

struct WaitGraph {
    bool closed = false;
    std::vector<int> blocked;          // daemon threads for which edge 1 holds, then those behind them
    std::vector<std::string> edges;    // "A -> B: fact", those that hold
    std::vector<std::string> missing;  // sentences: why the rest does not
};
WaitGraph wait_graph(const evidence::Evidence& evidence, const std::vector<Watched>& tasks);

}  // namespace reflux::verdict
