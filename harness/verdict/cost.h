// Cost beside cure: what the runs of a scenario cost, and the ratio of that to the control without pressure
// in the same batch. Pure.
#pragma once

#include "harness/verdict/tally.h"

#include <optional>
#include <string>
#include <vector>

namespace reflux::verdict {

struct P99Ratio {
    std::string kind;
    double ratio = 0;
};

// Of the runs of one scenario at one place that were measured.
struct CostSummary {
    std::string scenario;
    Place place;
    unsigned runs = 0;
    CostFigures figures;
    // Against its control at the same place: the one that it names, else its baseline's. Empty where no
    // measured run of that is in the batch, one of its runs did not complete, or this is the control itself.
    std::string control;
    unsigned control_runs = 0;
    std::optional<double> throughput;  // to the control's; below 1: slower
    std::vector<P99Ratio> p99;         // to the control's, of the kinds that both have; above 1: slower
    std::string line;                  // one for people
};
// One for each tally with a measured run. The ratios are those of medians.
std::vector<CostSummary> compare_costs(const std::vector<Tally>& batch);

// That of a run of the batch; nullptr: it was not measured.
const CostSummary* find_cost(const std::vector<CostSummary>& costs, const BatchRun& run);

// For a cell of a table, without what is as it should be: "throughput 0.12, p99 5.2 times (write), OOM kills
// 1".
std::string short_line(const CostSummary& summary);

std::vector<std::string> cost_lines(const std::vector<CostSummary>& costs);

}  // namespace reflux::verdict
