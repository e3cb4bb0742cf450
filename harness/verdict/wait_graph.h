// The wait graph of a stall: who waits for whom, and does what the blocked daemon threads wait for depend on
// those threads themselves?
//
// Nodes: tasks, devices (with the I/O that they have in flight), the connection, the requests that the daemon
// holds, and resources (a journal, a lock, the dirty limit, …). An edge A -> B says that A goes on only when
// B does something. A known edge is shown by its fact. An open edge is what no fact shows: what A waits for,
// on whom, or that nobody else could help it; its text says so. An open edge is never part of a cycle, and a
// way out of any cycle that it leaves (wait_cycle.h).
//
// Known edges that can be part of a cycle through the daemon, and the facts that they need:
//  1. thread T -> upper device D. T is in D state, in one unbounded wait inside a reclaim (same stack, no
//     context switch from the first to the last snapshot), and the last trace event of T, in a reclaim that
//     has not ended, names D: for a wait on folio writeback it must be folio_wait_writeback
//     (wait_on_page_writeback); for a wait on a journal, transaction, buffer, inode or I/O, any event of D
//     will do, but then a task of the upper filesystem must be seen in an unbounded wait for I/O too: what T
//     waits for is in that task's hands.
//     Or, where no event of T's open reclaim names a device (or the trace lost events), thread T -> what the
//     connection serves: writing to the connection's `abort` freed T after waiting alone, and every other
//     rung before it, had not. (That may be a folio of the upper filesystem or of the FUSE file itself, so it
//     closes the graph, but shows no recursion "upper".) A trace that names another device is never overruled
//     by it.
//
//     T2 -> T. T2 is a daemon thread in D throughout, without a context switch, at the lock of a write
//     function that T, for which one of the above holds, is inside of (the lock of the image's inode).
//  2. D -> connection. devices.front_end is served by the daemon ("fuse", "tcmu", …), and I/O is owed: the
//  daemon holds
//     a request, the connection's `waiting` counts one, or D has I/O in flight. D -> loop worker ->
//     connection beside it, where a loop worker of D is seen waiting for a FUSE answer.
//  3. connection -> request -> T: the daemon holds the request, unanswered, and T works on it. connection ->
//  T
//     for a blocked thread that holds none. Open, unless no daemon thread can answer but blocked ones. That
//     holds if all threads that take requests (daemon_io_tids; all daemon threads when that is not known) are
//     blocked and hold what is taken; or if each of the others is idle with no request in hand, while every
//     request that is owed is in the hands of blocked threads: none is queued in the daemon (tid 0), and the
//     connection's `waiting` does not exceed what the daemon holds, so there is nothing that an idle thread
//     could still take. What is in the hands of a thread that sleeps for completions of its io_uring, without
//     a context switch, is in those of its io-wq worker that is blocked, where no other but idle ones are
//     there (ring_worker() in owed.h). Or, also of a daemon that tells nothing: if each of the others sat in
//     an idle wait in all samples without one context switch, while requests waited all that time.
// The other edges (waiting_tasks.h) show who waits beside; none of them leads from the daemon or the devices
// to somewhere else, so no claim rests on them.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/watch.h"

#include <cstddef>
#include <string>
#include <vector>

namespace reflux::verdict {

enum class NodeKind { task, device, connection, request, resource, unknown };

struct WaitNode {
    NodeKind kind = NodeKind::task;
    std::string label;    // "refluxd[4240]", "upper device 7:1", "request 812"
    std::string note;     // "daemon, state D", "17 I/O in flight"; may be empty
    bool daemon = false;  // a thread of the daemon
};

struct WaitEdge {
    std::size_t from = 0;  // indexes of nodes
    std::size_t to = 0;
    bool known = true;
    std::string what;  // a few words: "folio writeback"
    std::string fact;  // of a known edge, what shows it; of an open one, what is not known
};

// Who waits for whom, as values.
struct WaitGraph {
    std::vector<WaitNode> nodes;
    std::vector<WaitEdge> edges;

    std::vector<std::size_t> closed;   // edges of cycles through the daemon that have no way out
    std::vector<std::size_t> cycle;    // the shortest of them in its order, from a daemon thread on
    std::vector<int> blocked;          // daemon threads for which edge 1 is known; those at a lock come last
    std::vector<std::string> missing;  // sentences: why no cycle closes
    std::size_t left_out = 0;  // groups of waiting tasks that are not in the graph, for there are many

    // The node with that label; made if there is none.
    std::size_t node(NodeKind kind, const std::string& label);
    // Adds an edge; of several between two nodes the first is kept.
    void add(WaitEdge edge);
};

// `tasks` are those of the stall (watch.h); an evidence without a stall has no nodes.
WaitGraph wait_graph(const evidence::Evidence& evidence, const std::vector<Watched>& tasks);
WaitGraph wait_graph(const evidence::Evidence& evidence);

// "refluxd[4240] -> upper device 7:1: fact"
std::string line_of(const WaitGraph& graph, const WaitEdge& edge);
// The closed cycle, an edge a line, then the other daemon threads that wait within it; empty: none closes.
std::vector<std::string> cycle_lines(const WaitGraph& graph);
// The other edges from tasks outside of the daemon, then those from resources: who waits beside.
std::vector<std::string> waiting_lines(const WaitGraph& graph);

}  // namespace reflux::verdict
