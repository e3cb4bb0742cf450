#include "harness/workload/results.h"

#include "harness/workload/worker.h"

namespace reflux::workload {
namespace {

bool any_worker(const SharedState& state, WorkerState wanted) {
    for (std::uint32_t i = 0; i < state.plan().workers; ++i) {
        if (state.worker(i).state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(wanted)) {
            return true;
        }
    }
    return false;
}

// Signal that ended the generator or, when it lived on, one of its workers; 0: none did.
int ending_signal(const SharedState& state, const std::optional<ExitStatus>& exit) {
    if (exit && exit->signal != 0) {
        return exit->signal;
    }
    for (std::uint32_t i = 0; i < state.plan().workers; ++i) {
        if (const int signal = state.worker(i).signal.load(); signal != 0) {
            return signal;
        }
    }
    return 0;
}

std::string how_it_ended(const SharedState& state, const std::optional<ExitStatus>& exit,
                         bool killed_by_harness) {
    if (killed_by_harness) {
        return "killed by the harness";
    }
    if (any_worker(state, WorkerState::failed)) {
        return "error";
    }
    if (const int signal = ending_signal(state, exit); signal != 0) {
        return fmt::format("signal {}", signal);
    }
    return any_worker(state, WorkerState::time_limit) ? "time limit" : "error";
}

}  // namespace

evidence::WorkloadResult workload_result(const SharedState& state, const std::optional<ExitStatus>& exit,
                                         bool killed_by_harness) {
    const auto totals = state.totals();
    evidence::WorkloadResult result;
    const std::uint64_t began = state.began_ns().load();
    const std::uint64_t ended = state.ended_ns().load();
    result.started = began != 0;
    result.finished = totals.finished == state.plan().workers && exit && exit->ok();
    if (result.finished) {
        result.ended = "finished";
    } else if (exit || killed_by_harness) {
        result.ended = how_it_ended(state, exit, killed_by_harness);
    }
    result.first_error = totals.first_error;
    result.errors = totals.errors;
    result.steps = totals.steps;
    result.bytes = totals.bytes_written + totals.bytes_read;
    if (began != 0) {
        result.duration_s = static_cast<double>((ended != 0 ? ended : monotonic_ns()) - began) / 1e9;
    }
    return result;
}

evidence::Verification verification(const SharedState& state) {
    const auto& report = state.report();
    evidence::Verification result;
    switch (static_cast<ReportState>(report.state.load(std::memory_order_acquire))) {
        case ReportState::none:
            result.skipped_reason = "the verifier was not run";
            break;
        case ReportState::running:
            result.skipped_reason = "the verifier did not run to its end";
            break;
        case ReportState::failed:
            result.skipped_reason = report.failure.get();
            break;
        case ReportState::done:
            result.done = true;
            break;
    }
    result.files_checked = report.files_checked.load();
    result.bytes_checked = report.bytes_checked.load();
    result.files_wrong = report.files_wrong.load();
    result.first_difference = report.first_difference.get();
    return result;
}

}  // namespace reflux::workload
