#include "harness/workload/results.h"

#include "harness/workload/worker.h"

#include <algorithm>
#include <array>

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

struct StepTimes {
    Latencies times;
    std::uint64_t unfinished = 0;
};

// Of all workers; see workload_cost().
std::array<StepTimes, step_kinds> step_times(const SharedState& state, std::uint64_t now_ns) {
    std::array<StepTimes, step_kinds> all;
    for (std::uint32_t i = 0; i < state.plan().workers; ++i) {
        const auto& slot = state.worker(i);
        const std::uint64_t began = slot.operation_began_ns.load(std::memory_order_relaxed);
        const auto operation = static_cast<Operation>(slot.operation.load(std::memory_order_relaxed));
        const auto status = static_cast<WorkerState>(slot.state.load(std::memory_order_acquire));
        if (began != 0 && began <= now_ns && status != WorkerState::killed) {
            auto& open = all.at(static_cast<std::size_t>(kind_of(operation)));
            open.times.add((now_ns - began) / 1000);
            ++open.unfinished;
        }
        for (std::size_t kind = 0; kind < step_kinds; ++kind) {
            all.at(kind).times.add(slot.latencies.at(kind).copy());
        }
    }
    return all;
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

std::optional<evidence::WorkloadCost> workload_cost(const SharedState& state, std::uint64_t now_ns) {
    const std::uint64_t began = state.began_ns().load();
    if (began == 0 || began > now_ns) {
        return std::nullopt;
    }
    const std::uint64_t ended = state.ended_ns().load();
    const auto totals = state.totals();
    evidence::WorkloadCost cost{
        .worked_s = static_cast<double>((ended != 0 ? std::min(ended, now_ns) : now_ns) - began) / 1e9,
        .written_bytes = totals.bytes_written,
        .read_bytes = totals.bytes_read,
        .latencies = {}};
    const auto steps = step_times(state, now_ns);
    for (std::size_t kind = 0; kind < step_kinds; ++kind) {
        const auto& [times, unfinished] = steps.at(kind);
        if (const std::uint64_t count = times.count(); count > 0) {
            cost.latencies.push_back({.kind = to_string(static_cast<StepKind>(kind)),
                                      .count = count,
                                      .unfinished = unfinished,
                                      .p50_s = times.quantile_s(0.5),
                                      .p99_s = times.quantile_s(0.99),
                                      .p999_s = times.quantile_s(0.999),
                                      .longest_s = times.longest_s()});
        }
    }
    return cost;
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
