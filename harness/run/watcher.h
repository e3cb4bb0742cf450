// Watches a stack under pressure: counters at every tick, stacks when nothing completes, the trace, the
// kernel log. Fills the evidence; judges nothing but one question: has nothing completed for the stall
// window? Threads: one. Nothing here touches the filesystems under test.
#pragma once

#include "backend/base/result.h"
#include "harness/evidence/evidence.h"
#include "harness/observe/incidents.h"
#include "harness/observe/kernel_log.h"
#include "harness/observe/task_stacks.h"
#include "harness/observe/trace.h"
#include "harness/pressure/memcg.h"
#include "harness/run/event_loop.h"
#include "harness/run/victims.h"
#include "harness/stack/stack.h"
#include "harness/workload/progress.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace reflux::run {

// CLOCK_MONOTONIC in seconds, the clock of the trace too.
double monotonic_s();

struct WatcherPlan {
    const stack::Stack* stack = nullptr;
    const pressure::Memcg* memcg = nullptr;
    const workload::SharedState* workload = nullptr;
    std::string trace_instance;  // name; journalled by the caller, as is
    std::string trace_probes;    // the name of the group of probe events
    std::string folder;          // run folder: trace.txt goes there
};

class Watcher {
  public:
    // `evidence` outlives the watcher; its devices and limits are set before.
    Watcher(WatcherPlan plan, evidence::Evidence& evidence) : plan_(std::move(plan)), evidence_(evidence) {}

    // The zero of all times. Takes the first counters and starts the trace of the daemon's threads.
    Status start();
    // The generator; its workers tell their ids in the shared state.
    void follow_workload(int pid) { generator_pid_ = pid; }

    // One sample of everything. Cheap while there is progress.
    void tick();

    [[nodiscard]] double now_s() const { return monotonic_s() - start_s_; }
    [[nodiscard]] std::uint64_t completed() const { return last_.device_completed; }
    // All samples so far.
    [[nodiscard]] const std::vector<evidence::ProgressPoint>& points() const { return evidence_.progress; }
    [[nodiscard]] double idle_s() const { return now_s() - last_completion_s_; }
    // The upper device has accepted I/O that it has not completed.
    [[nodiscard]] bool has_io() const { return last_.device_in_flight > 0; }
    // Nothing completed for the stall window although the device has work, or the workload stands still.
    [[nodiscard]] bool stalled() const;
    // When stalled(): keeps what was seen of the stall in the evidence, if that decides what it was. A
    // deadlock may begin late in the window, out of waits that end by themselves; what does not decide is
    // watched further, at most for a window more and within the time budget, and then kept as it is. False:
    // not yet.
    bool settle_stall();

    // After a workload that did its work: what tracing costs the stack, into the evidence (trace_cost.h).
    Status measure_trace(EventLoop& loop);

    // What the run costs up to now, into the evidence. At the end of the pressure, before any relief.
    void keep_cost();

    // Daemon threads in uninterruptible sleep now, with the number of their context switches.
    [[nodiscard]] std::map<int, std::uint64_t> blocked_daemon_threads() const;

    // One line for people: bytes, requests, who waits where.
    [[nodiscard]] std::string state() const;

    // Ends the observation: what is left in trace and kernel log goes into the evidence. Bounded, also where
    // the kernel does not let go of the trace. The instance is left to the journal.
    void finish();

  private:
    [[nodiscard]] evidence::ProgressPoint sample();
    void name_workload();
    void take_snapshot();
    void keep_stall();
    void start_trace();
    void drain(Seconds longest);
    // One read of the trace; false: it holds no more.
    bool drain_trace();
    void drain_kernel_log();
    void keep_incidents();
    // And the trace follows what /proc shows of the daemon and the trace did not tell.
    void drain_and_follow(Seconds longest);
    [[nodiscard]] std::vector<int> daemon_threads() const;
    void end_trace();
    void keep_trace();

    WatcherPlan plan_;
    evidence::Evidence& evidence_;
    observe::StackMembers members_;
    std::optional<observe::TraceInstance> trace_;
    std::string trace_problem_;
    std::optional<evidence::TraceOverhead> trace_cost_;
    std::string trace_cost_problem_;
    observe::KernelLog kernel_log_ = observe::KernelLog::open();
    observe::Incidents incidents_;
    VictimWatch victims_;
    UniqueFd dmesg_;  // the run's slice of the kernel log, whole
    int generator_pid_ = 0;
    double start_s_ = 0;
    std::uint64_t device_base_ = 0;
    std::uint64_t served_base_ = 0;  // completions before the run
    evidence::ProgressPoint last_;
    std::optional<std::uint64_t> daemon_completed_;  // when it answered last
    std::optional<evidence::DaemonIo> daemon_io_;    // likewise
    std::optional<std::uint64_t> oom_kills_before_;  // of the machine
    double last_completion_s_ = 0;
    double last_step_s_ = 0;
    std::vector<evidence::TaskSnapshot> snapshots_;  // since the last completion
    unsigned looks_ = 0;                             // at the stall that began then
};

}  // namespace reflux::run
