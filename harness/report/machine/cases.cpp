#include "harness/report/machine/cases.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace reflux::report::machine {
namespace {

// "deadlock or livelock, recursion upper"; "" where nothing was expected.
std::string expected_words(const evidence::Expectation& expected) {
    const std::string recursion =
        expected.recursion.empty() ? "" : fmt::format("recursion {}", fmt::join(expected.recursion, " or "));
    const std::string outcome = fmt::format("{}", fmt::join(expected.outcome, " or "));
    return outcome + (outcome.empty() || recursion.empty() ? "" : ", ") + recursion;
}

std::string summary_of(const RunVerdict& verdict) {
    std::string text = fmt::format("{}, recursion {}", verdict.outcome, verdict.recursion);
    const std::string expected = expected_words(verdict.expected);
    if (verdict.misses() && !expected.empty()) {
        text += fmt::format(", where {} was expected", expected);
    }
    if (!verdict.reasons.empty()) {
        text += ": " + verdict.reasons.front();
    }
    return text;
}

}  // namespace

Status status_of(const RunVerdict& verdict) {
    if (verdict.outcome == "harness_error" || !verdict.leftovers.empty()) {
        return Status::broken;
    }
    if (verdict.met) {
        return Status::passed;
    }
    return verdict.outcome == "unsupported" ? Status::skipped : Status::failed;
}

std::vector<Case> cases_of(const Report& report) {
    std::vector<Case> cases;
    std::vector<std::string> kernels;
    std::map<std::pair<std::string, std::string>, unsigned> runs;
    for (std::size_t i = 0; i < report.found.runs.size(); ++i) {
        const Run& run = report.found.runs[i];
        const auto& counted = report.counted.batch[i];
        const unsigned number = ++runs[{counted.place.kernel, counted.scenario}];
        cases.push_back({.run = &run,
                         .kernel = counted.place.kernel,
                         .name = counted.scenario + (number > 1 ? fmt::format(" run {}", number) : ""),
                         .status = status_of(run.verdict),
                         .summary = summary_of(run.verdict)});
        if (std::ranges::find(kernels, counted.place.kernel) == kernels.end()) {
            kernels.push_back(counted.place.kernel);
        }
    }
    std::ranges::stable_sort(
        cases, {}, [&](const Case& one) { return std::ranges::find(kernels, one.kernel) - kernels.begin(); });
    return cases;
}

std::vector<std::string> details_of(const RunVerdict& verdict) {
    std::vector<std::string> lines = verdict.reasons;
    for (const auto& edge : verdict.cycle) {
        lines.push_back("cycle: " + edge);
    }
    for (const auto& leftover : verdict.leftovers) {
        lines.push_back("left behind: " + leftover);
    }
    return lines;
}

}  // namespace reflux::report::machine
