// The verdicts of a batch, counted: what many runs of a scenario say together, as counts with bounds and
// never as one word.
#pragma once

#include "harness/verdict/cost_figures.h"
#include "harness/verdict/verdict.h"

#include <map>
#include <string>
#include <vector>

namespace reflux::verdict {

// Runs can be compared on one kernel with one version of the memory controller.
struct Place {
    std::string kernel;  // as the batch names it; empty: the batch has only one
    std::string cgroup;  // "v1" | "v2"; empty: not known, the run ended too early
    friend bool operator==(const Place&, const Place&) = default;
};

// What a scenario claims, by the names of those beside which it can be true.
struct Claim {
    bool cure = false;     // it is a baseline with something done against the stall
    std::string baseline;  // for a cure; empty: it names none
    std::string control;   // without pressure; empty: it names none
    // What a cure must have in common with its baseline: "memcg.limit" -> "64MiB"; empty: not known, and not
    // compared.
    std::map<std::string, std::string> conditions;
};

// As much of a verdict as counts in a batch.
struct BatchRun {
    std::string scenario;
    Place place;
    std::string outcome;    // the word of verdict::Outcome
    bool foreseen = false;  // its expectation names this outcome, and is met
    Claim claim;
    std::optional<CostFigures> cost;  // nullopt: not measured
};

using OutcomeCounts = std::map<std::string, unsigned>;

// The runs of one scenario at one place.
struct Tally {
    std::string scenario;
    Place place;
    Claim claim;
    OutcomeCounts made;              // runs that say something of the stack
    OutcomeCounts not_made;          // unsupported, harness_error: they do not count
    unsigned runs = 0;               // of `made`
    unsigned troubled = 0;           // of `made`: what a cure is for, see below
    std::vector<CostFigures> costs;  // of `made`, those that were measured

    [[nodiscard]] unsigned of(Outcome outcome) const;
    [[nodiscard]] unsigned stalls() const { return of(Outcome::deadlock) + of(Outcome::livelock); }
};
// Troubled: a stall, or what else its expectation names but completion ("slow" with cgroup v2).
bool is_troubled(const BatchRun& run);
// In the order in which scenarios and places come first. A run whose cgroup version is not known counts where
// others of its kernel were made.
std::vector<Tally> tally(const std::vector<BatchRun>& runs);

// "2 slow, 1 deadlock": the most frequent first.
std::string text_of(const OutcomeCounts& counts);
// "fuse-ext4-own-cgroup", in a batch of several places "6.1 v1, fuse-ext4-own-cgroup".
std::string name_of(const Tally& tally, const std::vector<Tally>& batch);
// A line for each scenario and place with several runs: each outcome, and the stalls, with bounds. At their
// end one that says what the bounds are; nothing where nothing was repeated.
std::vector<std::string> count_lines(const std::vector<Tally>& batch);

}  // namespace reflux::verdict
