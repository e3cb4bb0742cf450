// What the daemon owes to its device, and who could give it: rule 3 of wait_graph.h.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/watch.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace reflux::verdict {

// As far as it is known.
struct Owed {
    bool answered = false;  // the daemon's own list is known
    std::vector<evidence::Request> in_flight;
    std::optional<std::uint64_t> waiting;  // the connection's count
    bool by_device = false;                // it is that of the served device's I/O in flight
    std::uint64_t device_in_flight = 0;
    bool throughout = false;       // something waited at every look since the first sample of the stall
    bool left_throughout = false;  // at each of these more waited than the daemon held
    bool buffered = true;          // its writes go through the page cache
};
// `evidence.stall` must be set.
Owed owed_requests(const evidence::Evidence& evidence);
// The connection may count more than the daemon holds: what it has not taken waits there.
bool leaves_some(const Owed& owed);
// The facts that something is owed; empty: nothing is known to be.
std::vector<std::string> owed_facts(const Owed& owed);

// "write of 4096 bytes at 40960, 8.2 s old"
std::string shape_of(const evidence::Request& request);
// A request in that thread's hands, the first in the list; nullptr: none.
const evidence::Request* request_of(const Owed& owed, int tid);

// Of a worker of io_uring's the thread that it works for (io_uring/io-wq.c names it iou-wrk-TID); nullopt: it
// is none.
std::optional<int> ring_owner(const evidence::TaskSample& task);
// The blocked worker of io_uring's that has what this thread gave to its ring: the thread has waited for
// completions alone (io_cqring_wait, without a context switch: none has come), and of the workers that are
// named after it none but blocked and idle ones are there. nullptr: there is none.
const Watched* ring_worker(const Watched& task, const std::vector<int>& blocked,
                           const std::vector<Watched>& tasks);

// The daemon threads that take requests, or may, and are neither blocked nor dead.
std::vector<int> other_takers(const evidence::Evidence& evidence, const std::vector<int>& blocked,
                              const std::vector<Watched>& tasks);
// Why a thread that is not blocked could still answer; empty: none can. `foreign`: the daemon is one that
// does not tell what it holds.
std::string way_out(const Owed& owed, const std::vector<int>& others, const std::vector<int>& blocked,
                    const std::vector<Watched>& tasks, bool foreign);

}  // namespace reflux::verdict
