#include "harness/run/session.h"

#include "backend/base/kernel_file.h"
#include "harness/evidence/json.h"
#include "harness/journal/undo.h"
#include "harness/pressure/memcg.h"
#include "harness/probe/kernel_features.h"
#include "harness/probe/memory_cgroup.h"
#include "harness/run/daemon_threads.h"
#include "harness/run/fault.h"
#include "harness/run/meanwhile.h"
#include "harness/run/plan.h"
#include "harness/run/pressers.h"
#include "harness/run/read_back.h"
#include "harness/run/reclaim_module.h"
#include "harness/run/relief.h"
#include "harness/run/remedies.h"
#include "harness/run/requirements.h"
#include "harness/run/watcher.h"
#include "harness/scenario/load.h"
#include "harness/stack/stack.h"
#include "harness/verdict/circumstances.h"
#include "harness/workload/progress.h"
#include "harness/workload/results.h"

#include <optional>

#include <sys/mman.h>
#include <sys/wait.h>

namespace reflux::run {
namespace {

constexpr Seconds tick_time{0.25};
constexpr double checkpoint_interval_s = 5;

class Session {
  public:
    Session(const SessionPlan& plan, EventLoop& loop, Console& console)
        : plan_(plan), scenario_(plan.scenario), loop_(loop), console_(console) {}

    evidence::Evidence run();

  private:
    Status work();
    Status build();
    Status read_back();
    Status start_workload();
    Status press();
    void relieve();
    void verify();
    void verify_acknowledged();
    void take_down();

    void checkpoint();
    [[nodiscard]] stack::Plan stack_plan() const;
    void workload_ended();
    bool note_daemon_end();
    void note_failure(const Error& error);
    Status drive();
    void lift_fault();
    Status interrupted();

    const SessionPlan& plan_;
    const scenario::Scenario& scenario_;
    EventLoop& loop_;
    Console& console_;
    evidence::Evidence evidence_;
    Mitigations mitigations_;
    std::optional<journal::Journal> journal_;
    std::optional<pressure::Memcg> memcg_;
    std::optional<stack::Stack> stack_;
    std::optional<workload::SharedState> shared_;
    std::optional<Watcher> watcher_;
    std::optional<FaultInjector> fault_;
    std::optional<Pressers> pressers_;
    std::optional<Meanwhile> meanwhile_;
    Child workload_;  // generator
    double last_checkpoint_s_ = 0;
    bool hung_ = false;
};

// What has been seen so far: whoever reads it, a half file is never there.
void Session::checkpoint() {
    if (!plan_.in_guest) {
        return;
    }
    last_checkpoint_s_ = monotonic_s();
    if (const auto written = replace_file(plan_.folder + "/evidence.json", evidence::to_json(evidence_));
        !written) {
        console_.step("checkpoint: " + written.error().message);
    }
}

stack::Plan Session::stack_plan() const {
    return make_stack_plan(scenario_, mitigations_, *memcg_,
                           {.folder = plan_.folder, .outlive_harness = plan_.keep});
}

Status Session::build() {
    REFLUX_TRY(mitigations_, mitigation::find_all(scenario_.mitigations));
    REFLUX_CHECK(check_requirements(scenario_, mitigations_, plan_.in_guest));
    REFLUX_TRY(const auto host, probe::memory_cgroup());
    evidence_.environment.cgroup_version = host.version;
    if (host.version == "v2") {
        replace_expectations(scenario_.expect_v2, evidence_.expected);
    }
    REFLUX_TRY(journal_, journal::Journal::create(plan_.state_root, plan_.run_id));
    REFLUX_TRY(memcg_, pressure::make_memcg(make_memcg_plan(scenario_, host), *journal_));
    if (needs_reclaim_module(mitigations_)) {
        REFLUX_CHECK(load_reclaim_module(plan_.reclaim_module, *journal_, console_));
    }
    REFLUX_CHECK(set_before_stack(mitigations_, *journal_));
    auto plan = stack_plan();
    plan.on_trouble = [this](const stack::DaemonTrouble& it) { evidence_.daemon_failure = failure_of(it); };
    REFLUX_TRY(stack_, stack::up(plan, *journal_, [&](const std::string& step) { console_.step(step); }));
    REFLUX_CHECK(end_before_stack(mitigations_, *journal_, evidence_, console_));
    if (!scenario_.expect_with_function.empty() &&
        probe::kernel_has_function("", scenario_.expect_with_function)) {
        replace_expectations(scenario_.expect_with, evidence_.expected);
    }
    evidence_.devices.lower_device = stack_->lower_device.number;
    evidence_.devices.served_device = stack_->served_device.number;
    evidence_.devices.upper_device = stack_->upper_device.number;
    evidence_.devices.fuse_connection = stack_->fuse_connection;
    return set_on_stack(mitigations_, *stack_, *memcg_, *journal_);
}

Status Session::read_back() {
    if (stack_->daemon.pid <= 0) {
        return {};
    }
    REFLUX_CHECK(know_daemon(*stack_, *memcg_, evidence_));
    fault_.emplace(scenario_.fault, *stack_, evidence_.faults);
    REFLUX_CHECK(fault_->check());
    return read_mitigations_back(mitigations_, *stack_, *memcg_, evidence_, console_);
}

Status Session::start_workload() {
    REFLUX_TRY(const Bytes capacity, stack::size_of(stack_->upper_device));
    REFLUX_TRY(shared_, workload::SharedState::create(make_workload_plan(scenario_, capacity)));
    const std::string instance = "reflux-" + plan_.run_id;
    const std::string probes = observe::probe_group(instance);
    if (!stack_->tracefs.empty()) {
        // In this order: an event cannot go while an instance has it on.
        REFLUX_CHECK(journal_->intend(journal::Kind::trace_probes, stack_->tracefs + "/events/" + probes));
        REFLUX_CHECK(
            journal_->intend(journal::Kind::trace_instance, stack_->tracefs + "/instances/" + instance));
    }
    pressers_.emplace(scenario_.pressure, *stack_, *memcg_);
    REFLUX_CHECK(pressers_->make(*journal_));
    watcher_.emplace(WatcherPlan{.stack = &*stack_,
                                 .memcg = &*memcg_,
                                 .workload = &*shared_,
                                 .trace_instance = instance,
                                 .trace_probes = probes,
                                 .folder = plan_.folder},
                     evidence_);
    REFLUX_CHECK(watcher_->start());
    SpawnOptions options;
    options.cgroup_procs = {memcg_->workload_procs};
    options.inherit = {shared_->fd()};
    REFLUX_TRY(workload_, spawn({"/proc/self/exe", "workload", "--fd", std::to_string(shared_->fd()),
                                 "--directory", stack_->upper_mount},
                                options));
    evidence_.workload.started = true;
    meanwhile_.emplace(scenario_.meanwhile, *stack_, *memcg_, plan_.folder + "/meanwhile.log",
                       evidence_.meanwhile);
    watcher_->follow_workload(workload_.pid);
    REFLUX_CHECK(loop_.watch_workload(workload_));
    return stack_->daemon.pid > 0 ? loop_.watch_daemon(stack_->daemon) : Status{};
}

// Under pressure until the workload ends, the daemon ends, nothing completes for the stall window, or time is
// over.
Status Session::press() {
    console_.step(fmt::format("pressure: limit {}, placement {}",
                              scenario_.memcg.limit ? to_string(*scenario_.memcg.limit) : "none",
                              evidence_.placement));
    for (;;) {
        const Event event = loop_.next(tick_time);
        watcher_->tick();
        console_.state(watcher_->state());
        if (event == Event::tick) {  // else something has ended before the fault
            if (auto driven = drive(); !driven) {
                if (!note_daemon_end()) {
                    return driven;
                }
                evidence_.workload = workload::workload_result(*shared_, std::nullopt, true);
                return {};
            }
        }
        if (monotonic_s() - last_checkpoint_s_ > checkpoint_interval_s) {
            checkpoint();
        }
        if (event == Event::interrupted) {
            return interrupted();
        }
        if (event == Event::daemon_ended && note_daemon_end()) {
            evidence_.workload = workload::workload_result(*shared_, std::nullopt, true);
            return {};
        }
        if (event == Event::workload_ended) {
            workload_ended();
        }
        // Who kills the workload (the OOM killer) does not end what it left: whether that completes is the
        // question.
        const bool over = !evidence_.workload.ended.empty();
        if (over && !(evidence_.workload.ended.starts_with("signal") && watcher_->has_io())) {
            return {};
        }
        if (watcher_->stalled() && watcher_->settle_stall()) {
            console_.step("stall: " + watcher_->state());
            hung_ = true;
            checkpoint();
            return {};
        }
        if (watcher_->now_s() > scenario_.judge.time_budget.count()) {
            if (!over) {
                evidence_.workload = workload::workload_result(*shared_, std::nullopt, true);
            }
            return {};
        }
    }
}

void Session::relieve() {
    evidence_.relief = climb_relief_ladder({.stack = &*stack_,
                                            .memcg = &*memcg_,
                                            .rungs = scenario_.relief.rungs,
                                            .rung_time = scenario_.relief.rung_time,
                                            .stall_window = scenario_.judge.stall_window,
                                            .last_completion_s = evidence_.stall->last_completion_s,
                                            .daemon_ended = [this] { return note_daemon_end(); }},
                                           *watcher_, loop_, console_);
    if (evidence_.workload.ended.empty()) {
        evidence_.workload = workload::workload_result(*shared_, std::nullopt, true);
    }
    checkpoint();
    lift_fault();
    pressers_->stop();
    verify_acknowledged();
}

// After a stall: what the upper filesystem has acknowledged must be there.
void Session::verify_acknowledged() {
    auto& verification = evidence_.verification;
    verification.mode = workload::to_string(workload::VerifyMode::acknowledged);
    verification.skipped_reason = loop_.interrupted() != 0 ? "the run was interrupted"
                                  : plan_.keep             ? "the stack is kept as the relief left it"
                                               : why_not_read_back(evidence_.relief, stack_->daemon.pid > 0);
    if (!verification.skipped_reason.empty()) {
        return;
    }
    const auto& tried = evidence_.relief;
    const bool alive =
        !tried.empty() && tried.back().released && tried.back().rung != "abort" && !evidence_.daemon_exit;
    verification = read_back_acknowledged({.plan = stack_plan(),
                                           .stack = &*stack_,
                                           .journal = &*journal_,
                                           .memcg = &*memcg_,
                                           .shared = &*shared_,
                                           .alive = alive,
                                           .time = scenario_.judge.time_budget},
                                          console_);
    // What it was read from is a stack that works.
    hung_ = !verification.done;
    checkpoint();
}

void Session::verify() {
    if (!evidence_.workload.finished) {
        evidence_.verification.skipped_reason = "the workload did not finish";
        return;
    }
    console_.step("verify: unmount, mount again, read back");
    if (const auto again = stack::remount_upper(stack_plan(), *stack_, *journal_); !again) {
        evidence_.verification.skipped_reason = again.error().message;
        note_daemon_end();
        return;
    }
    // Reading everything back takes less than writing it did; twice its time is far beyond that.
    evidence_.verification = read_data_back({.shared = &*shared_,
                                             .stack = &*stack_,
                                             .memcg = &*memcg_,
                                             .mode = workload::VerifyMode::complete,
                                             .time = 2 * scenario_.judge.time_budget});
    note_daemon_end();
}

void Session::workload_ended() {
    loop_.forget_workload();
    const auto exit = reap(workload_);
    evidence_.workload = workload::workload_result(*shared_, exit.value_or(std::nullopt), false);
    if (!evidence_.workload.finished && stack_->daemon.pid > 0) {
        // The errors of a workload whose daemon died may be seen before its end is.
        static_cast<void>(wait_readable(stack_->daemon.pidfd.get(), Seconds(1)));
        note_daemon_end();
    }
    console_.step(fmt::format("workload: {}, {} in {:.1f} s", evidence_.workload.ended,
                              human(Bytes{evidence_.workload.bytes}), evidence_.workload.duration_s));
}

bool Session::note_daemon_end() {
    if (evidence_.daemon_exit || stack_->daemon.pid <= 0) {
        return evidence_.daemon_exit.has_value();
    }
    const auto exit = reap(stack_->daemon);
    if (!exit || !*exit) {
        return false;
    }
    loop_.forget_daemon();
    watcher_->tick();  // takes in what the kernel log says of it
    console_.step(fmt::format("{} ended: {}", evidence_.devices.daemon, to_string(**exit)));
    evidence_.daemon_exit = unexpected_end(**exit, stack_->daemon.pid, watcher_->now_s(),
                                           plan_.folder + "/refluxd.log", evidence_.kernel_log);
    hung_ = true;  // its device has no server any more: only the escape takes this stack down in time
    return true;
}

Status Session::interrupted() {
    return fail(ErrorKind::system,
                fmt::format("interrupted by {}", to_string(ExitStatus{.signal = loop_.interrupted()})));
}

Status Session::work() {
    REFLUX_CHECK(build());
    REFLUX_CHECK(read_back());
    if (loop_.interrupted() != 0) {
        return interrupted();
    }
    REFLUX_CHECK(start_workload());
    REFLUX_CHECK(press());
    meanwhile_->stop(watcher_->now_s());
    read_counts_again(mitigations_, *stack_, *memcg_, evidence_);
    watcher_->keep_cost();
    pressers_->keep(evidence_);
    if (evidence_.stall) {
        relieve();
    } else {
        lift_fault();
        pressers_->stop();
        if (evidence_.workload.finished && scenario_.observe.trace_overhead == "measure") {
            console_.step("what the trace costs: a steady load with and without it");
            const auto measured = watcher_->measure_trace(loop_);
            hung_ = !measured && measured.error().kind == ErrorKind::timed_out;
        }
        verify();
    }
    return loop_.interrupted() != 0 ? interrupted() : Status{};
}

// What comes when the workload has written so much.
Status Session::drive() {
    const Bytes written{shared_->totals().bytes_written};
    const auto say = [this](const char* what, const std::string& done) {
        if (!done.empty()) {
            console_.step(fmt::format("{}: {}", what, done));
        }
    };
    if (fault_) {
        REFLUX_TRY(const std::string done, fault_->tick(written, watcher_->now_s()));
        say("fault", done);
    }
    REFLUX_TRY(const std::string done, pressers_->tick(written, watcher_->now_s()));
    say("pressure", done);
    return written.value > 0 ? meanwhile_->tick(watcher_->now_s()) : Status{};
}

// What follows is no part of what the fault is to show: reading back, and an orderly end.
void Session::lift_fault() {
    if (meanwhile_) {
        meanwhile_->undo();
    }
    if (fault_) {
        fault_->lift(watcher_ ? watcher_->now_s() : 0);
    }
}

void Session::take_down() {
    lift_fault();
    loop_.forget_workload();
    loop_.forget_daemon();
    if (pressers_) {
        pressers_->stop();
    }
    if (watcher_) {
        watcher_->finish();
    }
    if (!journal_) {
        return;
    }
    if (plan_.keep) {
        console_.step(fmt::format("kept: {}; `reflux clean` takes it down", journal_->folder()));
        return;
    }
    console_.step("stack down");
    if (memcg_) {
        // All is seen; what is still dirty need not crawl through the limit.
        static_cast<void>(pressure::lift_limits(*memcg_));
    }
    const bool orderly = !hung_ && evidence_.harness_error.empty();
    auto report = journal::undo(*journal_, orderly ? journal::Mode::orderly : journal::Mode::escape);
    // Helpers that were given up on have ended by now, or are in the report.
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (report.leftovers.empty()) {
        if (const auto removed = journal_->remove(); !removed) {
            report.leftovers.push_back(removed.error().message);
        }
    }
    evidence_.leftovers = report.leftovers;
}

// Whose it is that there was no run.
void Session::note_failure(const Error& error) {
    if (!evidence_.daemon_failure && stack_ && !evidence_.workload.started && loop_.interrupted() == 0) {
        evidence_.daemon_failure =
            end_before_work(*stack_, scenario_.daemon, plan_.folder + "/refluxd.log", error);
    }
    if (evidence_.daemon_failure) {
        hung_ = true;  // its device has no server
        console_.step(verdict::daemon_failure_sentence(*evidence_.daemon_failure));
        return;
    }
    const bool unsupported = error.kind == ErrorKind::unsupported;
    (unsupported ? evidence_.unsupported_reason : evidence_.harness_error) = error.message;
    console_.step(error.message);
}

evidence::Evidence Session::run() {
    const double start = monotonic_s();
    evidence_ = expected_evidence(scenario_);
    evidence_.environment = environment();
    evidence_.limits.time_factor = plan_.time_factor;
    if (const auto done = work(); !done) {
        note_failure(done.error());
    }
    take_down();
    evidence_.duration_s = monotonic_s() - start;
    return std::move(evidence_);
}

}  // namespace

evidence::Evidence run_session(const SessionPlan& plan, EventLoop& loop, Console& console) {
    return Session(plan, loop, console).run();
}

}  // namespace reflux::run
