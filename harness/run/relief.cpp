#include "harness/run/relief.h"

#include "backend/base/kernel_file.h"
#include "harness/journal/undo.h"

#include <functional>

#include <signal.h>

namespace reflux::run {
namespace {

constexpr Seconds tick_time{0.25};

struct Applied {
    std::string detail;           // what was done
    std::optional<Child> helper;  // does what may block; it may outlive its rung
};

struct Rung {
    std::string name;
    std::function<Result<Applied>()> apply;  // must not block
};

Result<Applied> raise_limit(const ReliefPlan& plan) {
    if (!plan.limit) {
        return fail(ErrorKind::unsupported, "there is no limit to raise");
    }
    constexpr std::uint64_t factor = 16;
    const Bytes raised{plan.limit->value * factor};
    REFLUX_CHECK(pressure::raise_limit(*plan.memcg, raised));
    return Applied{.detail = fmt::format("{} -> {}", to_string(*plan.limit), to_string(raised))};
}

// Dropping slab objects enters every shrinker and may block like the daemon did; the child is left to
// teardown then.
Result<Applied> drop_caches(const ReliefPlan& plan) {
    SpawnOptions options;
    options.cgroup_procs = {plan.memcg->helper_procs};
    REFLUX_TRY(auto child, fork_call([] { return write_file("/proc/sys/vm/drop_caches", "3"); }, options));
    return Applied{.detail = "3 to /proc/sys/vm/drop_caches", .helper = std::move(child)};
}

Result<Applied> kill_workload(const ReliefPlan& plan) {
    REFLUX_TRY(const auto pids, journal::cgroup_members(plan.memcg->workload));
    unsigned killed = 0;
    for (const int pid : pids) {
        if (pid != plan.stack->daemon.pid && ::kill(pid, SIGKILL) == 0) {
            ++killed;
        }
    }
    return Applied{.detail = fmt::format("SIGKILL to {} processes", killed)};
}

Result<Applied> abort_connection(const ReliefPlan& plan) {
    if (!plan.stack->fuse_connection || plan.stack->fusectl.empty()) {
        return fail(ErrorKind::unsupported, "there is no FUSE connection to abort");
    }
    const std::string file = fmt::format("{}/{}/abort", plan.stack->fusectl, *plan.stack->fuse_connection);
    REFLUX_CHECK(write_file(file, "1"));
    return Applied{.detail = "1 to " + file};
}

std::vector<Rung> ladder(const ReliefPlan& plan) {
    return {{"wait", [] { return Result<Applied>(Applied{.detail = "nothing was done"}); }},
            {"raise_limit", [&] { return raise_limit(plan); }},
            {"drop_caches", [&] { return drop_caches(plan); }},
            {"kill_workload", [&] { return kill_workload(plan); }},
            {"abort", [&] { return abort_connection(plan); }}};
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
void add_helper(Child& helper, evidence::ReliefRung& rung) {
    const auto exit = wait_for(helper, Seconds(0));
    if (exit && *exit && !(*exit)->ok()) {
        rung.applied = false;
        rung.detail += ": failed, " + to_string(**exit);
    } else if (!exit || !*exit) {
        rung.detail += fmt::format(": pid {} is still at it", helper.pid);
    }
}

evidence::ReliefRung try_rung(const Rung& rung, const ReliefPlan& plan, Watcher& watcher, EventLoop& loop) {
    evidence::ReliefRung result;
    result.rung = rung.name;
    watcher.tick();
    result.completed_before = watcher.completed();
    result.begin_s = watcher.now_s();
    const auto blocked_before = watcher.blocked_daemon_threads();
    auto applied = rung.apply();
    result.applied = applied.has_value();
    result.detail = applied ? applied->detail : applied.error().message;
    // The first completion may come before the one that a thread waits for.
    while (result.applied && !(result.released && result.freed_tids.size() == blocked_before.size()) &&
           watcher.now_s() - result.begin_s < plan.rung_time.count()) {
        if (loop.next(tick_time) == Event::interrupted) {
            break;
        }
        watcher.tick();
        if (rung.name != "abort" && plan.daemon_ended()) {
            result.detail += "; the daemon ended meanwhile";
            break;
        }
        if (!result.released && watcher.completed() != result.completed_before) {
            result.released = true;
            result.after_s = watcher.now_s() - result.begin_s;
        }
        result.freed_tids = freed_since(blocked_before, watcher.blocked_daemon_threads());
    }
    if (applied && applied->helper) {
        add_helper(*applied->helper, result);
    }
    result.completed_after = watcher.completed();
    result.observed_s = watcher.now_s() - result.begin_s;
    return result;
}

}  // namespace

std::vector<evidence::ReliefRung> climb_relief_ladder(const ReliefPlan& plan, Watcher& watcher,
                                                      EventLoop& loop, Console& console) {
    // Processes that the rungs end would end every wait of the loop at once.
    loop.forget_workload();
    loop.forget_daemon();
    std::vector<evidence::ReliefRung> tried;
    for (const auto& rung : ladder(plan)) {
        tried.push_back(try_rung(rung, plan, watcher, loop));
        const auto& last = tried.back();
        console.step(fmt::format("relief {}: {} ({})", rung.name,
                                 last.released  ? fmt::format("released after {:.1f} s", last.after_s)
                                 : last.applied ? "still stalled"
                                                : "not applied",
                                 last.detail));
        if (last.released || loop.interrupted() != 0 || plan.daemon_ended()) {
            break;
        }
    }
    return tried;
}

}  // namespace reflux::run
