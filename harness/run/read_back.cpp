#include "harness/run/read_back.h"

#include "backend/base/kernel_file.h"
#include "harness/workload/results.h"

namespace reflux::run {
namespace {

constexpr Seconds workload_end_time{5};

Status mount_afresh(const AfterStall& after) {
    const WorkloadGroup workload{.memcg = after.memcg, .daemon_pid = after.stack->daemon.pid};
    REFLUX_TRY(const unsigned killed, workload.kill());
    if (!workload.await_end(workload_end_time)) {
        return fail(ErrorKind::timed_out, fmt::format("the workload ({} processes) did not end within {} of "
                                                      "its SIGKILL",
                                                      killed, to_string(workload_end_time)));
    }
    return stack::remount_upper(after.plan, *after.stack, *after.journal);
}

Status set_up_again(const AfterStall& after, Console& console) {
    auto plan = after.plan;
    plan.daemon_cgroup_procs = plan.helper_cgroup_procs;  // not where the limit is
    return stack::set_up_again(plan, *after.stack, *after.journal,
                               [&](const std::string& step) { console.step(step); });
}

}  // namespace

evidence::Verification read_data_back(const ReadBack& plan) {
    SpawnOptions options;
    options.cgroup_procs = {plan.memcg->helper_procs};
    options.inherit = {plan.shared->fd()};
    const auto result =
        run_command({"/proc/self/exe", "verify-workload", "--fd", std::to_string(plan.shared->fd()),
                     "--directory", plan.stack->upper_mount, "--mode", workload::to_string(plan.mode)},
                    plan.time, options);
    evidence::Verification verification;
    if (!result) {
        verification.skipped_reason = result.error().message;
    } else if (!result->exit) {
        verification.skipped_reason = "reading back did not end within " + to_string(plan.time);
    } else {
        verification = workload::verification(*plan.shared);
        if (!verification.done && !result->exit->ok()) {
            verification.skipped_reason = fmt::format("the verifier ended with {} {}",
                                                      to_string(*result->exit), trimmed(result->output));
        }
    }
    verification.mode = workload::to_string(plan.mode);
    return verification;
}

evidence::Verification read_back_acknowledged(const AfterStall& after, Console& console) {
    console.step("verify: what fsync acknowledged, after a fresh mount");
    evidence::Verification verification;
    verification.mode = workload::to_string(workload::VerifyMode::acknowledged);
    std::string how = "after a fresh mount";
    static_cast<void>(pressure::lift_limits(*after.memcg));
    Status ready = after.alive ? mount_afresh(after) : Status{};
    if (!ready) {
        console.step(ready.error().message);
    }
    if (!after.alive || !ready) {
        how = after.stack->daemon.pid > 0 ? "by a new daemon on the image that was left, journal recovered"
                                          : "from the image that was left, journal recovered";
        ready = set_up_again(after, console);
    }
    if (!ready) {
        verification.skipped_reason = ready.error().message;
        return verification;
    }
    verification = read_data_back({.shared = after.shared,
                                   .stack = after.stack,
                                   .memcg = after.memcg,
                                   .mode = workload::VerifyMode::acknowledged,
                                   .time = after.time});
    verification.how = how;
    return verification;
}

std::string why_not_read_back(const std::vector<evidence::ReliefRung>& tried, bool has_daemon) {
    if (!has_daemon && (tried.empty() || !tried.back().released)) {
        return "nothing released the stack, and there is no connection to abort";
    }
    // Taking it down takes long then, and is teardown's.
    const bool aborted = !tried.empty() && tried.back().rung == "abort" && tried.back().applied;
    return aborted && !tried.back().released ? "not even the abort released the stack" : "";
}

}  // namespace reflux::run
