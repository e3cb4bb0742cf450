#include "harness/run/relief.h"

#include "backend/base/kernel_file.h"
#include "harness/journal/undo_devices.h"
#include "harness/run/resumption.h"
#include "harness/run/workload_group.h"
#include "harness/scenario/rungs.h"

#include <algorithm>

#include <unistd.h>

namespace reflux::run {
namespace {

using evidence::ReliefRung;
using scenario::Rung;

constexpr Seconds tick_time{0.25};
constexpr Seconds restore_time{1};

struct Applied {
    std::string detail;           // what was done
    std::optional<Child> helper;  // does what may block; it may outlive its rung
    UniqueFd said;                // what it says of its failure
};

WorkloadGroup workload_of(const ReliefPlan& plan) {
    return {.memcg = plan.memcg, .daemon_pid = plan.stack->daemon.pid};
}

SpawnOptions helper_options(const ReliefPlan& plan) {
    SpawnOptions options;
    options.cgroup_procs = {plan.memcg->helper_procs};
    return options;
}

Result<Applied> raise_limit(const ReliefPlan& plan) {
    if (plan.memcg->limits.empty()) {
        return fail(ErrorKind::unsupported, "there is no limit to raise");
    }
    constexpr std::uint64_t factor = 16;
    REFLUX_CHECK(pressure::raise_limits(*plan.memcg, factor));
    std::vector<std::string> raised;
    for (const auto& limit : plan.memcg->limits) {
        raised.push_back(
            fmt::format("{} -> {}", to_string(limit.bytes), to_string(Bytes{limit.bytes.value * factor})));
    }
    return Applied{.detail = fmt::format("{}", fmt::join(raised, ", "))};
}

// Dropping slab objects enters every shrinker and may block like the daemon did; the child is left to
// teardown then.
Result<Applied> drop_caches(const ReliefPlan& plan) {
    REFLUX_TRY(auto child,
               fork_call([] { return write_file("/proc/sys/vm/drop_caches", "3"); }, helper_options(plan)));
    return Applied{.detail = "3 to /proc/sys/vm/drop_caches", .helper = std::move(child)};
}

Result<Applied> kill_workload(const ReliefPlan& plan) {
    REFLUX_TRY(const unsigned killed, workload_of(plan).kill());
    return Applied{.detail = fmt::format("SIGKILL to {} processes", killed)};
}

Result<Applied> abort_connection(const ReliefPlan& plan) {
    if (!plan.stack->abort) {
        return fail(ErrorKind::unsupported, "there is no way to fail what the daemon owes");
    }
    const stack::Abort& abort = *plan.stack->abort;
    Applied applied;
    std::vector<std::string> done;
    if (!abort.writes.empty()) {
        // Not call_bounded: a device holds locks for as long as it likes (seen: over 2 s for a ring on 5.10).
        const auto write_all_of = [&abort]() -> Status {
            for (const auto& [path, text] : abort.writes) {
                REFLUX_CHECK(write_file(path, text));
            }
            return {};
        };
        REFLUX_TRY(applied.said, make_memory_file("abort"));
        auto options = helper_options(plan);
        options.stderr_fd = applied.said.get();
        REFLUX_TRY(applied.helper, fork_call(write_all_of, options));
        for (const auto& [path, text] : abort.writes) {
            done.push_back(fmt::format("{} to {}", trimmed(text), path));
        }
    }
    if (!abort.command.empty()) {
        done.push_back(fmt::format("{}", fmt::join(abort.command, " ")));
        REFLUX_TRY(applied.helper, spawn(abort.command, helper_options(plan)));
    }
    if (abort.sockets_of > 0) {
        REFLUX_CHECK(journal::shut_sockets(abort.sockets_of));
        done.push_back(fmt::format("the connections of {} shut down", abort.sockets_of));
    }
    applied.detail = fmt::format("{}", fmt::join(done, ", "));
    return applied;
}

// Must not block.
Result<Applied> apply(Rung rung, const ReliefPlan& plan) {
    switch (rung) {
        case Rung::wait:
            return Applied{.detail = "nothing was done"};
        case Rung::raise_limit:
            return raise_limit(plan);
        case Rung::drop_caches:
            return drop_caches(plan);
        case Rung::kill_workload:
            return kill_workload(plan);
        case Rung::abort:
            return abort_connection(plan);
    }
    return fail(ErrorKind::unsupported, "there is no such rung");
}

// Undoes what can be undone; returns what remains.
std::string undo(Rung rung, const ReliefPlan& plan) {
    switch (rung) {
        case Rung::wait:
            return "";
        case Rung::raise_limit: {
            const auto restored = call_bounded(
                "set the limit back", restore_time, [&] { return pressure::restore_limits(*plan.memcg); },
                helper_options(plan));
            return restored ? "" : "the limit stays raised: " + restored.error().message;
        }
        case Rung::drop_caches:
            return "what was dropped does not come back";
        case Rung::kill_workload:
            return "the workload is gone";
        case Rung::abort:
            return fmt::format("the {} is gone", plan.stack->abort ? plan.stack->abort->what : "device");
    }
    return "";
}

// Threads that left the sleep in which they were.
std::vector<int> freed_since(const std::map<int, std::uint64_t>& before,
                             const std::map<int, std::uint64_t>& now) {
    std::vector<int> freed;
    for (const auto& [tid, switches] : before) {
        const auto same = now.find(tid);
        if (same == now.end() || same->second != switches) {
            freed.push_back(tid);
        }
    }
    return freed;
}

// How the helper of a rung fared by the rung's end.
void add_helper(Applied& applied, ReliefRung& rung) {
    const auto exit = wait_for(*applied.helper, Seconds(0));
    if (exit && *exit && !(*exit)->ok()) {
        std::string said;
        if (applied.said) {
            ::lseek(applied.said.get(), 0, SEEK_SET);
            said = trimmed(read_all(applied.said.get(), "what the helper said").value_or(""));
        }
        rung.applied = false;
        rung.detail += ": failed, " + (said.empty() ? to_string(**exit) : said);
    } else if (!exit || !*exit) {
        rung.detail += fmt::format(": pid {} is still at it", applied.helper->pid);
    }
}

// One rung while it is tried.
class Trial {
  public:
    Trial(Rung rung, const ReliefPlan& plan, Watcher& watcher, EventLoop& loop)
        : rung_(rung), plan_(plan), watcher_(watcher), loop_(loop) {}

    ReliefRung run(std::string name) {
        result_.rung = std::move(name);
        begin();
        auto applied = apply(rung_, plan_);
        result_.applied = applied.has_value();
        result_.detail = applied ? applied->detail : applied.error().message;
        if (result_.applied) {
            watch();
        }
        if (applied && applied->helper) {
            add_helper(*applied, result_);
        }
        end();
        return std::move(result_);
    }

  private:
    void begin() {
        watcher_.tick();
        result_.completed_before = watcher_.completed();
        result_.begin_s = watcher_.now_s();
        result_.before =
            completion_rate(watcher_.points(), result_.begin_s - plan_.stall_window.count(), result_.begin_s);
        blocked_ = watcher_.blocked_daemon_threads();
    }

    void watch() {
        bool decided = false;
        while (!decided && loop_.next(tick_time) != Event::interrupted) {
            watcher_.tick();
            if (rung_ != Rung::abort && plan_.daemon_ended()) {
                result_.detail += "; the daemon ended meanwhile";
                return;
            }
            result_.freed_tids = freed_since(blocked_, watcher_.blocked_daemon_threads());
            decided = rung_ == Rung::abort ? judge_abort() : judge();
        }
    }

    // Both return whether there is an end of watching.
    bool judge() {
        const auto resumption = judge_resumption(
            watcher_.points(), {.begin_s = result_.begin_s,
                                .rung_time = plan_.rung_time,
                                .healthy = completion_rate(watcher_.points(), 0, plan_.last_completion_s),
                                .workload_gone = workload_of(plan_).empty()});
        released(resumption.resumed, resumption.first_s);
        return resumption.decided;
    }

    bool judge_abort() {
        const auto& now = watcher_.points().back();
        const bool ended = now.device_completed != result_.completed_before ||
                           (now.device_in_flight == 0 && !blocked_.empty());
        // A thread that turns in bounded waits switches all the time: it has left when it sleeps so no more.
        const auto sleeping = watcher_.blocked_daemon_threads();
        const bool left = std::ranges::none_of(
            blocked_, [&](const auto& thread) { return sleeping.contains(thread.first); });
        released(ended && left, now.at_s);
        return result_.released || now.at_s - result_.begin_s >= plan_.rung_time.count();
    }

    void released(bool yes, double at_s) {
        result_.released = yes;
        result_.after_s = yes ? at_s - result_.begin_s : 0;
    }

    void end() {
        result_.completed_after = watcher_.completed();
        const double now_s = watcher_.now_s();
        result_.observed_s = now_s - result_.begin_s;
        if (result_.applied) {
            result_.during = completion_rate(watcher_.points(), result_.begin_s, now_s);
        }
        if (result_.applied && !result_.released) {
            result_.remains = undo(rung_, plan_);
        }
    }

    Rung rung_;
    const ReliefPlan& plan_;
    Watcher& watcher_;
    EventLoop& loop_;
    ReliefRung result_;
    std::map<int, std::uint64_t> blocked_;
};

std::string outcome_of(const ReliefRung& rung) {
    if (!rung.applied) {
        return "not applied";
    }
    return rung.released ? fmt::format("released after {:.1f} s", rung.after_s)
                         : fmt::format("not released, {:.1f} I/Os a second in {:.1f} s", rung.during.ios,
                                       rung.observed_s);
}

}  // namespace

std::vector<ReliefRung> climb_relief_ladder(const ReliefPlan& plan, Watcher& watcher, EventLoop& loop,
                                            Console& console) {
    // Processes that the rungs end would end every wait of the loop at once.
    loop.forget_workload();
    loop.forget_daemon();
    std::vector<ReliefRung> tried;
    for (const std::string& name : plan.rungs) {
        const auto rung = scenario::find_rung(name);
        if (!rung) {
            continue;  // the key takes none but these
        }
        tried.push_back(Trial(*rung, plan, watcher, loop).run(name));
        const ReliefRung& last = tried.back();
        console.step(fmt::format("relief {}: {} ({}){}", name, outcome_of(last), last.detail,
                                 last.remains.empty() ? "" : "; " + last.remains));
        // After an abort its end is ours.
        if (last.released || loop.interrupted() != 0 || (*rung != Rung::abort && plan.daemon_ended())) {
            break;
        }
    }
    return tried;
}

}  // namespace reflux::run
