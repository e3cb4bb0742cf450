// Data are read back: after a workload that finished, and after a stall that was relieved.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/journal/journal.h"
#include "harness/run/console.h"
#include "harness/run/workload_group.h"
#include "harness/stack/stack.h"
#include "harness/workload/verifier.h"

#include <string>
#include <vector>

namespace reflux::run {

struct ReadBack {
    const workload::SharedState* shared = nullptr;  // the ledger
    const stack::Stack* stack = nullptr;            // freshly mounted
    const pressure::Memcg* memcg = nullptr;
    workload::VerifyMode mode = workload::VerifyMode::complete;
    Seconds time{30};
};
// Compares the tree with the ledger, in a child of the helpers' cgroup, for at most `time`. Never fails: what
// prevented it is the reason why it was skipped.
evidence::Verification read_data_back(const ReadBack& plan);

// A stack after its stall.
struct AfterStall {
    stack::Plan plan;  // by which it was built
    stack::Stack* stack = nullptr;
    journal::Journal* journal = nullptr;
    const pressure::Memcg* memcg = nullptr;
    const workload::SharedState* shared = nullptr;
    // A rung other than abort released it, and the daemon lives: the stack may be asked to unmount.
    bool alive = false;
    Seconds time{30};  // for the reading
};
// Reads back what an fsync had acknowledged. The experiment is over: the limit is lifted, the workload
// killed, the upper filesystem mounted afresh; where the stack does not live, or does not unmount, everything
// above the lower filesystem is taken down and set up again. Each step is bounded; the last one that failed
// is the reason why the verification was skipped, and what stands then is left to journal::undo.
evidence::Verification read_back_acknowledged(const AfterStall& after, Console& console);

// Why what was acknowledged cannot be read back after this relief; empty: it can be.
std::string why_not_read_back(const std::vector<evidence::ReliefRung>& tried, bool has_daemon);

}  // namespace reflux::run
