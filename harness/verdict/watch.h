// What the samples and the trace say of single tasks over a stall.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/stack.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace reflux::verdict {

// One task over the stall: its first and last sample among the snapshots, or among those (half of the time at
// least) in which it sat in one unbounded wait.
struct Watched {
    evidence::TaskSample last;
    double first_s = 0;
    double last_s = 0;
    std::uint64_t switches = 0;   // between them
    std::uint64_t cpu_ticks = 0;  // between them
    bool same_stack = false;      // in all samples, and not empty
    bool always_in_d = false;     // in all samples
    std::size_t samples = 0;
    Classified classified;  // of the last stack
    // In D through all of at least two samples, same stack, no context switch.
    [[nodiscard]] bool motionless() const;
    // Motionless in a known, unbounded wait.
    [[nodiscard]] bool stuck() const;
};

// All tasks of the last snapshot, in its order.
std::vector<Watched> watch(const evidence::Stall& stall);

// True if the sample is of a daemon thread, by its role or its tid.
bool is_daemon(const evidence::Evidence& evidence, const evidence::TaskSample& task);

// The last event of a thread inside a reclaim that has not ended, and that reclaim; nullptr: there is none.
struct OpenReclaim {
    const evidence::Reclaim* reclaim = nullptr;
    const evidence::TraceEvent* last_event = nullptr;
};
OpenReclaim open_reclaim(const evidence::TraceSummary& trace, int tid);

// The tracepoint of a wait for the writeback of a folio (a page, in older kernels).
bool is_writeback_event(std::string_view event);

bool contains(const std::vector<int>& numbers, int number);

}  // namespace reflux::verdict
