#include "harness/report/machine/cases.h"

#include "harness/verdict/words.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace reflux::report::machine {
namespace {

// Of a run of which nothing was expected.
bool fails_to_cure(const verdict::BatchRun& run, const std::vector<verdict::Tally>& tallies) {
    const auto is_its_baseline = [&run](const verdict::Tally& other) {
        const bool same_cgroup = run.place.cgroup.empty() || run.place.cgroup == other.place.cgroup;
        return other.scenario == run.claim.baseline && other.place.kernel == run.place.kernel && same_cgroup;
    };
    return run.claim.cure && verdict::is_troubled(run) &&
           std::ranges::any_of(tallies, [&](const verdict::Tally& other) {
               return is_its_baseline(other) && !other.claim.cure && other.troubled > 0;
           });
}

Status status_in_batch(const RunVerdict& verdict, const verdict::BatchRun& run,
                       const std::vector<verdict::Tally>& tallies) {
    const Status status = status_of(verdict);
    return status == Status::unjudged && fails_to_cure(run, tallies) ? Status::failed : status;
}

// What the words of a verdict alone do not tell of the status.
std::string preface(const RunVerdict& verdict, Status status, const std::string& baseline) {
    if (status == Status::unjudged) {
        return "nothing expected: ";
    }
    if (!verdict.leftovers.empty()) {
        return fmt::format("left behind {}; ", verdict::counted(verdict.leftovers.size(), "object"));
    }
    return status == Status::failed && !verdict.is_judged() ? fmt::format("it does not cure {}: ", baseline)
                                                            : "";
}

std::string summary_of(const RunVerdict& verdict, Status status, const std::string& baseline) {
    std::string text = preface(verdict, status, baseline) +
                       fmt::format("{}, recursion {}", verdict.outcome, verdict.recursion);
    if (verdict.misses() && verdict.is_judged()) {
        text += fmt::format(", where {} was expected", verdict.expected_words());
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
    if (verdict.outcome == "unsupported" && !verdict.foreseen()) {
        return Status::skipped;
    }
    if (!verdict.is_judged()) {
        return Status::unjudged;
    }
    return verdict.met ? Status::passed : Status::failed;
}

std::vector<Case> cases_of(const Report& report) {
    std::vector<Case> cases;
    std::vector<std::string> kernels;
    std::map<std::pair<std::string, std::string>, unsigned> runs;
    for (std::size_t i = 0; i < report.found.runs.size(); ++i) {
        const Run& run = report.found.runs[i];
        const auto& counted = report.counted.batch[i];
        const unsigned number = ++runs[{counted.place.kernel, counted.scenario}];
        const auto status = status_in_batch(run.verdict, counted, report.counted.tallies);
        cases.push_back({.run = &run,
                         .kernel = counted.place.kernel,
                         .name = counted.scenario + (number > 1 ? fmt::format(" run {}", number) : ""),
                         .status = status,
                         .summary = summary_of(run.verdict, status, counted.claim.baseline)});
        if (std::ranges::find(kernels, counted.place.kernel) == kernels.end()) {
            kernels.push_back(counted.place.kernel);
        }
    }
    std::ranges::stable_sort(
        cases, {}, [&](const Case& one) { return std::ranges::find(kernels, one.kernel) - kernels.begin(); });
    return cases;
}

bool is_skipped(const Case& one) {
    return one.status == Status::skipped || one.status == Status::unjudged;
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
