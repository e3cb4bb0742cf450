// What one run cost, drawn from its evidence.
#pragma once

#include "harness/evidence/evidence.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::verdict {

struct StepCost {
    std::string kind;  // evidence::StepLatency
    std::uint64_t count = 0;
    std::uint64_t unfinished = 0;
    double p99_s = 0;  // of less than a hundred it is the longest
    double longest_s = 0;
};

// nullopt: not measured. Of several runs together (cost.h): medians, and of what is counted sums.
struct CostFigures {
    std::optional<double> throughput_bytes_s;  // that the workload moved while it worked
    std::vector<StepCost> steps;
    std::optional<std::uint64_t> enomem;  // requests of the daemon that ended so
    std::optional<std::uint64_t> other_errors;
    std::optional<std::uint64_t> short_transfers;
    std::optional<std::uint64_t> oom_kills;          // in the run's cgroups
    std::optional<std::uint64_t> machine_oom_kills;  // on the machine, those among them
    std::optional<std::uint64_t> scanned_pages;      // in reclaims of the daemon's threads
    std::optional<std::uint64_t> reclaimed_pages;
};
// nullopt: the evidence is older than these figures, or there was no workload.
std::optional<CostFigures> cost_figures(const evidence::Evidence& evidence);

// nullptr: there was none of this kind.
const StepCost* find_step(const CostFigures& figures, std::string_view kind);

}  // namespace reflux::verdict
