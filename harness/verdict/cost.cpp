#include "harness/verdict/cost.h"

#include "backend/base/units.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

namespace reflux::verdict {
namespace {

using Count = std::optional<std::uint64_t>;

// In the line for people. The others are in the JSON.
constexpr std::array told_kinds = {std::string_view("write"), std::string_view("sync")};

double median(std::vector<double> values) {
    std::ranges::sort(values);
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// Empty unless all runs have it: the one that was not asked may be the one with the errors.
template <class Figures, class Value>
Count sum(const std::vector<Figures>& all, std::optional<Value> Figures::*figure) {
    std::uint64_t total = 0;
    for (const auto& one : all) {
        if (!(one.*figure)) {
            return std::nullopt;
        }
        total += *(one.*figure);
    }
    return total;
}

std::vector<std::string> kinds_of(const std::vector<CostFigures>& all) {
    std::vector<std::string> kinds;
    for (const auto& figures : all) {
        for (const auto& step : figures.steps) {
            if (std::ranges::find(kinds, step.kind) == kinds.end()) {
                kinds.push_back(step.kind);
            }
        }
    }
    return kinds;
}

StepCost median_step(const std::vector<CostFigures>& all, const std::string& kind) {
    StepCost together{.kind = kind};
    std::vector<double> p99;
    for (const auto& figures : all) {
        if (const auto* step = find_step(figures, kind)) {
            // The p99 is one of single runs: how much it says depends on the run with the fewest.
            together.count = p99.empty() ? step->count : std::min(together.count, step->count);
            together.unfinished += step->unfinished;
            together.longest_s = std::max(together.longest_s, step->longest_s);
            p99.push_back(step->p99_s);
        }
    }
    together.p99_s = median(p99);
    return together;
}

CostFigures together(const std::vector<CostFigures>& all) {
    CostFigures figures{.throughput_bytes_s = {},
                        .steps = {},
                        .enomem = sum(all, &CostFigures::enomem),
                        .other_errors = sum(all, &CostFigures::other_errors),
                        .short_transfers = sum(all, &CostFigures::short_transfers),
                        .oom_kills = sum(all, &CostFigures::oom_kills),
                        .machine_oom_kills = sum(all, &CostFigures::machine_oom_kills),
                        .scanned_pages = sum(all, &CostFigures::scanned_pages),
                        .reclaimed_pages = sum(all, &CostFigures::reclaimed_pages)};
    std::vector<double> throughputs;
    for (const auto& one : all) {
        if (one.throughput_bytes_s) {
            throughputs.push_back(*one.throughput_bytes_s);
        }
    }
    if (!throughputs.empty()) {
        figures.throughput_bytes_s = median(throughputs);
    }
    for (const auto& kind : kinds_of(all)) {
        figures.steps.push_back(median_step(all, kind));
    }
    return figures;
}

// A control that did not always complete is no measure of anything.
const Tally* find_measured(const std::vector<Tally>& batch, const std::string& scenario, const Place& place) {
    const auto found = std::ranges::find_if(batch, [&](const Tally& tally) {
        return tally.scenario == scenario && tally.place == place && !tally.costs.empty() &&
               tally.of(Outcome::completes) == tally.runs;
    });
    return found == batch.end() ? nullptr : &*found;
}

// A scenario that names no control is compared with its baseline's.
const Tally* control_of(const Tally& one, const std::vector<Tally>& batch) {
    std::string name = one.claim.control;
    for (const auto& other : batch) {
        if (name.empty() && other.scenario == one.claim.baseline && other.place == one.place) {
            name = other.claim.control;
        }
    }
    return name.empty() || name == one.scenario ? nullptr : find_measured(batch, name, one.place);
}

void compare(CostSummary& summary, const CostFigures& control) {
    const auto& own = summary.figures;
    if (own.throughput_bytes_s && control.throughput_bytes_s.value_or(0) > 0) {
        summary.throughput = *own.throughput_bytes_s / *control.throughput_bytes_s;
    }
    for (const auto& step : own.steps) {
        if (const auto* other = find_step(control, step.kind); other != nullptr && other->p99_s > 0) {
            summary.p99.push_back({.kind = step.kind, .ratio = step.p99_s / other->p99_s});
        }
    }
}

// "write"; where it says little: "sync, of 12 steps".
std::string kind_words(const StepCost& step) {
    constexpr std::uint64_t enough = 100;
    return step.count >= enough ? step.kind : fmt::format("{}, of {} steps", step.kind, step.count);
}

std::string throughput_words(const CostSummary& summary) {
    if (summary.throughput) {
        return fmt::format("throughput {:.2g}", *summary.throughput);
    }
    const auto& own = summary.figures.throughput_bytes_s;
    return own ? fmt::format("throughput {}/s", human(Bytes{static_cast<std::uint64_t>(*own)}))
               : "throughput not known";
}

// "p99 3.1 times (write), 2 times (sync)"; without a control "p99 12.5 ms (write)".
std::string p99_words(const CostSummary& summary) {
    std::vector<std::string> parts;
    for (const auto kind : told_kinds) {
        const auto* step = find_step(summary.figures, kind);
        if (step == nullptr) {
            continue;
        }
        const auto ratio = std::ranges::find(summary.p99, kind, &P99Ratio::kind);
        parts.push_back(fmt::format(
            "{} ({})",
            ratio != summary.p99.end() ? fmt::format("{:.2g} times", ratio->ratio) : time_words(step->p99_s),
            kind_words(*step)));
    }
    return parts.empty() ? "" : "p99 " + join(parts, ", ");
}

double longest_step(const CostFigures& figures) {
    double longest = 0;
    for (const auto& step : figures.steps) {
        longest = std::max(longest, step.longest_s);
    }
    return longest;
}

std::string longest_words(const CostSummary& summary, const CostFigures* control) {
    if (summary.figures.steps.empty()) {
        return "";
    }
    std::uint64_t unfinished = 0;
    for (const auto& step : summary.figures.steps) {
        unfinished += step.unfinished;
    }
    return fmt::format("longest step {}{}{}", time_words(longest_step(summary.figures)),
                       control != nullptr ? " against " + time_words(longest_step(*control)) : "",
                       unfinished > 0 ? fmt::format(" ({} had not ended)", unfinished) : "");
}

std::string io_words(const CostFigures& figures) {
    if (!figures.enomem || !figures.short_transfers) {
        return "the daemon's I/O errors not known";
    }
    const auto others = figures.other_errors.value_or(0);
    return fmt::format("ENOMEM {}{}, short {}", *figures.enomem,
                       others > 0 ? fmt::format(", other I/O errors {}", others) : "",
                       *figures.short_transfers);
}

std::string oom_words(const CostFigures& figures) {
    if (!figures.oom_kills) {
        return figures.machine_oom_kills
                   ? fmt::format("OOM kills {} on the machine", *figures.machine_oom_kills)
                   : "OOM kills not known";
    }
    const auto machine = figures.machine_oom_kills.value_or(0);
    return fmt::format("OOM kills {}{}", *figures.oom_kills,
                       machine > *figures.oom_kills ? fmt::format(" ({} on the machine)", machine) : "");
}

std::string reclaim_words(const CostFigures& figures) {
    if (!figures.scanned_pages || !figures.reclaimed_pages) {
        return "what reclaim scanned not known";
    }
    if (*figures.scanned_pages == 0) {
        return "reclaim scanned nothing";
    }
    return fmt::format(
        "reclaimed {:.3g} % of what was scanned",
        100 * static_cast<double>(*figures.reclaimed_pages) / static_cast<double>(*figures.scanned_pages));
}

std::string runs_words(const std::string& of, unsigned runs) {
    return runs > 1 ? fmt::format("{}{} runs", of, runs) : "";
}

std::string line_of(const std::string& name, const CostSummary& summary, const CostFigures* control) {
    std::vector<std::string> parts{throughput_words(summary),       p99_words(summary),
                                   longest_words(summary, control), io_words(summary.figures),
                                   oom_words(summary.figures),      reclaim_words(summary.figures)};
    std::erase(parts, "");
    return fmt::format("{}: cost{}{}: {}", name, runs_words(" of ", summary.runs),
                       control != nullptr ? fmt::format(" against {}{}", summary.control,
                                                        runs_words(", ", summary.control_runs))
                                          : "",
                       join(parts, ", "));
}

CostSummary summarize(const Tally& one, const std::vector<Tally>& batch) {
    CostSummary summary{.scenario = one.scenario,
                        .place = one.place,
                        .runs = static_cast<unsigned>(one.costs.size()),
                        .figures = together(one.costs)};
    std::optional<CostFigures> against;
    if (const Tally* control = control_of(one, batch)) {
        against = together(control->costs);
        summary.control = control->scenario;
        summary.control_runs = static_cast<unsigned>(control->costs.size());
        compare(summary, *against);
    }
    summary.line = line_of(name_of(one, batch), summary, against ? &*against : nullptr);
    return summary;
}

}  // namespace

std::optional<CostFigures> cost_figures(const evidence::Evidence& evidence) {
    if (!evidence.cost) {
        return std::nullopt;
    }
    const auto& cost = *evidence.cost;
    CostFigures figures;
    if (cost.workload) {
        if (cost.workload->worked_s > 0) {
            figures.throughput_bytes_s =
                static_cast<double>(cost.workload->written_bytes + cost.workload->read_bytes) /
                cost.workload->worked_s;
        }
        std::ranges::transform(cost.workload->latencies, std::back_inserter(figures.steps),
                               [](const evidence::StepLatency& step) {
                                   return StepCost{.kind = step.kind,
                                                   .count = step.count,
                                                   .unfinished = step.unfinished,
                                                   .p99_s = step.p99_s,
                                                   .longest_s = step.longest_s};
                               });
    }
    if (cost.daemon) {
        figures.short_transfers = cost.daemon->short_transfers;
        figures.enomem = figures.other_errors = 0;
        for (const auto& error : cost.daemon->errors) {
            *(error.error == "ENOMEM" ? figures.enomem : figures.other_errors) += error.count;
        }
    }
    figures.oom_kills = cost.oom_kills;
    figures.machine_oom_kills = cost.machine_oom_kills;
    if (evidence.trace.available && evidence.trace.scan) {
        figures.scanned_pages = evidence.trace.scan->scanned_pages;
        figures.reclaimed_pages = evidence.trace.scan->reclaimed_pages;
    }
    return figures;
}

const StepCost* find_step(const CostFigures& figures, std::string_view kind) {
    const auto found = std::ranges::find(figures.steps, kind, &StepCost::kind);
    return found == figures.steps.end() ? nullptr : &*found;
}

std::vector<CostSummary> compare_costs(const std::vector<Tally>& batch) {
    std::vector<CostSummary> costs;
    for (const auto& one : batch) {
        if (!one.costs.empty()) {
            costs.push_back(summarize(one, batch));
        }
    }
    return costs;
}

const CostSummary* find_cost(const std::vector<CostSummary>& costs, const BatchRun& run) {
    const auto found = std::ranges::find_if(costs, [&](const CostSummary& cost) {
        return cost.scenario == run.scenario && cost.place == run.place;
    });
    return found == costs.end() || !run.cost ? nullptr : &*found;
}

std::string short_line(const CostSummary& summary) {
    const auto& figures = summary.figures;
    std::vector<std::string> parts{throughput_words(summary), p99_words(summary)};
    if (figures.enomem.value_or(0) + figures.short_transfers.value_or(0) + figures.other_errors.value_or(0) >
        0) {
        parts.push_back(io_words(figures));
    }
    if (figures.oom_kills.value_or(0) > 0) {
        parts.push_back(oom_words(figures));
    }
    if (figures.scanned_pages.value_or(0) > 0) {
        parts.push_back(reclaim_words(figures));
    }
    std::erase(parts, "");
    return join(parts, ", ");
}

std::vector<std::string> cost_lines(const std::vector<CostSummary>& costs) {
    std::vector<std::string> lines;
    std::ranges::transform(costs, std::back_inserter(lines), &CostSummary::line);
    return lines;
}

}  // namespace reflux::verdict
