#include "harness/verdict/tally.h"

#include "harness/verdict/confidence.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace reflux::verdict {
namespace {

bool is(const std::string& outcome, Outcome word) {
    return outcome == to_string(word);
}

// Says nothing of the stack.
bool was_not_made(const BatchRun& run) {
    return is(run.outcome, Outcome::unsupported) || is(run.outcome, Outcome::harness_error);
}

// A run that ended before its cgroup version was known belongs to its scenario's others, else to its
// kernel's.
Place place_of(const BatchRun& run, const std::vector<BatchRun>& runs) {
    if (!run.place.cgroup.empty()) {
        return run.place;
    }
    const BatchRun* found = nullptr;
    for (const auto& other : runs) {
        const bool known = other.place.kernel == run.place.kernel && !other.place.cgroup.empty();
        if (known && other.scenario == run.scenario) {
            return other.place;
        }
        found = known && found == nullptr ? &other : found;
    }
    return found != nullptr ? found->place : run.place;
}

std::vector<std::pair<std::string, unsigned>> most_frequent_first(const OutcomeCounts& counts) {
    std::vector<std::pair<std::string, unsigned>> sorted(counts.begin(), counts.end());
    std::ranges::stable_sort(sorted, std::ranges::greater{}, &std::pair<std::string, unsigned>::second);
    return sorted;
}

std::string count_line(const Tally& tally) {
    std::vector<std::string> parts;
    for (const auto& [outcome, count] : most_frequent_first(tally.made)) {
        const Share share{.count = count, .trials = tally.runs};
        parts.push_back(
            fmt::format("{} {} of {} ({})", count, outcome, tally.runs, to_string(bounds_of(share))));
    }
    std::string line = join(parts, ", ");
    if (tally.runs > 0) {
        const Share stalls{
            .count = tally.stalls(), .trials = tally.runs, .undecided = tally.of(Outcome::inconclusive)};
        line += "; stalls " + to_string(stalls);
    }
    if (!tally.not_made.empty()) {
        line += fmt::format("{}not counted: {}", line.empty() ? "" : "; ", text_of(tally.not_made));
    }
    return line;
}

}  // namespace

unsigned Tally::of(Outcome outcome) const {
    const auto found = made.find(std::string(to_string(outcome)));
    return found == made.end() ? 0 : found->second;
}

bool is_troubled(const BatchRun& run) {
    const bool stalls = is(run.outcome, Outcome::deadlock) || is(run.outcome, Outcome::livelock);
    const bool says_nothing = was_not_made(run) || is(run.outcome, Outcome::inconclusive);
    return stalls || (run.foreseen && !says_nothing && !is(run.outcome, Outcome::completes));
}

std::vector<Tally> tally(const std::vector<BatchRun>& runs) {
    std::vector<Tally> tallies;
    for (const auto& run : runs) {
        const Place place = place_of(run, runs);
        auto found = std::ranges::find_if(tallies, [&](const Tally& other) {
            return other.scenario == run.scenario && other.place == place;
        });
        if (found == tallies.end()) {
            tallies.push_back({.scenario = run.scenario, .place = place, .claim = run.claim});
            found = std::prev(tallies.end());
        }
        if (was_not_made(run)) {
            ++found->not_made[run.outcome];
            continue;
        }
        ++found->made[run.outcome];
        ++found->runs;
        found->troubled += is_troubled(run) ? 1 : 0;
        if (run.cost) {
            found->costs.push_back(*run.cost);
        }
    }
    return tallies;
}

std::string text_of(const OutcomeCounts& counts) {
    std::vector<std::string> parts;
    for (const auto& [outcome, count] : most_frequent_first(counts)) {
        parts.push_back(fmt::format("{} {}", count, outcome));
    }
    return join(parts, ", ");
}

std::string name_of(const Tally& tally, const std::vector<Tally>& batch) {
    const bool one_place =
        std::ranges::all_of(batch, [&](const Tally& other) { return other.place == batch.front().place; });
    if (one_place) {
        return tally.scenario;
    }
    std::vector<std::string> words{tally.place.kernel, tally.place.cgroup};
    std::erase(words, "");
    return fmt::format("{}, {}", join(words, " "), tally.scenario);
}

std::vector<std::string> count_lines(const std::vector<Tally>& batch) {
    std::vector<std::string> lines;
    for (const auto& one : batch) {
        if (one.runs > 1 || (one.runs == 1 && !one.not_made.empty())) {
            lines.push_back(fmt::format("{}: {}", name_of(one, batch), count_line(one)));
        }
    }
    if (!lines.empty()) {
        lines.emplace_back(
            "(in parentheses: 95% bounds of the true share, exact binomial; one-sided where it was all or "
            "none)");
    }
    return lines;
}

}  // namespace reflux::verdict
