#include "harness/run/guest_session.h"

#include "backend/base/child.h"
#include "harness/journal/journal.h"
#include "harness/probe/speed.h"
#include "harness/run/run_folder.h"
#include "harness/run/session.h"
#include "harness/scenario/load.h"
#include "harness/verdict/verdict.h"

#include <algorithm>

#include <sys/mman.h>

namespace reflux::run {
namespace {

// Of the times of a scenario, the share in which processors compute. The rest is the kernel's own timers (a
// writeback interval of 5 s, a throttled writer's pauses of 0.2 s), which are no longer on a slow machine.
constexpr double computing_share = 0.2;
Result<double> measure_time_factor(double host_work_s) {
    REFLUX_TRY(const Seconds here, probe::time_of_fixed_work());
    const double slower = host_work_s > 0 ? here.count() / host_work_s : 1.0;
    return 1 + computing_share * std::max(0.0, slower - 1);
}

// Less than four times the memory limit would not press; less than the scenario asks for only where times are
// stretched.
Bytes less_work(const scenario::Scenario& scenario, double factor) {
    const Bytes wanted = scenario.workload.work;
    const Bytes least = scenario.memcg.limit ? Bytes{4 * scenario.memcg.limit->value} : mebibytes(256);
    const Bytes divided{static_cast<std::uint64_t>(static_cast<double>(wanted.value) / factor)};
    return std::min(wanted, std::max(least, divided));
}

Status run(const GuestSession& plan) {
    ::mlockall(MCL_CURRENT | MCL_FUTURE);
    // Who judges must not be the one that is chosen. Where it may not be asked for, its memcg has no limit.
    static_cast<void>(protect_from_oom());
    REFLUX_TRY(auto scenario, scenario::load(plan.scenario));
    REFLUX_TRY(const double factor, measure_time_factor(plan.host_work_s));
    for (Seconds* time : {&scenario.judge.stall_window, &scenario.judge.time_budget,
                          &scenario.relief.rung_time, &scenario.fault.time}) {
        *time *= factor;
    }
    scenario.workload.work = less_work(scenario, factor);
    // A fault, or more pressure, must still come, although there is less work.
    for (Bytes* after : {&scenario.fault.after, &scenario.pressure.after}) {
        *after = std::min(*after, Bytes{scenario.workload.work.value / 2});
    }
    EventLoop loop;
    Console console;
    console.begin(fmt::format("{}, times stretched by {:.1f}, {} of work", scenario.name, factor,
                              human(scenario.workload.work)));
    const auto evidence = run_session({.scenario = scenario,
                                       .folder = plan.folder,
                                       .state_root = journal::default_state_root(),
                                       .run_id = "guest",
                                       .reclaim_module = plan.reclaim_module,
                                       .time_factor = factor,
                                       .in_guest = true},
                                      loop, console);
    return write_results(plan.folder, evidence, verdict::judge(evidence));
}

}  // namespace

ExitCode run_guest_session(const GuestSession& plan) {
    if (const auto done = run(plan); !done) {
        fmt::print(stderr, "reflux: {}\n", done.error().message);
        return exit_code_of(done.error().kind);
    }
    return ExitCode::met;
}

}  // namespace reflux::run
