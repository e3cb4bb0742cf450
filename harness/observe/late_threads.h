// Which threads of the daemon the trace follows since their birth (or its own begin), and which only from
// later on. The kernel's option event-fork adds what a followed task forks (the tracepoint
// sched_process_fork, which only kernel_clone() passes); what io_uring and vhost make with copy_process()
// alone (create_io_thread(), vhost_task_create()) it does not add, but copy_process() tells of each birth
// (task_newtask). Pure, of bounded memory.
#pragma once

#include "harness/observe/trace_line.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::observe {

// One task_newtask of a thread that is followed.
struct Birth {
    int tid = 0;
    double at_s = 0;
    bool forked = false;  // by kernel_clone(): it is followed already
};
// nullopt: not such an event, or not understood.
std::optional<Birth> parse_birth(const TraceLine& line, double run_start_s);

// A thread of the daemon that the trace followed only from some time after its birth: nothing of what it did
// before is in the trace.
struct LateThread {
    int tid = 0;
    std::string name;                  // comm; empty: it was gone
    std::optional<double> born_s;      // nullopt: not seen, it was found in /proc
    std::optional<double> followed_s;  // nullopt: it could not be followed
};

class LateThreads {
  public:
    // Followed since the trace began, or since its birth.
    void know(int tid);
    // Known from now on.
    void add(LateThread thread);
    [[nodiscard]] bool knows(int tid) const { return known_.contains(tid); }
    [[nodiscard]] bool any() const { return count_ > 0; }
    // A sentence for the evidence; `machine_reclaimed`: somebody on the machine entered a reclaim while the
    // trace was on (nullopt: not known). Call if any().
    [[nodiscard]] std::string told(std::optional<bool> machine_reclaimed) const;

  private:
    std::set<int> known_;
    std::vector<LateThread> first_;
    std::uint64_t count_ = 0;
};

// Of the text of the file `enable` of an event that waits for a reclaim to turn it on (soft mode): true where
// one has; nullopt: it cannot be told.
std::optional<bool> was_turned_on(std::string_view enable);

}  // namespace reflux::observe
