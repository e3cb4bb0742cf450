// The runs of a report, counted: what all that was found says together. All of it is one batch (verdict/
// cure.h), so that the shards of a matrix prove its cures together. Pure.
#pragma once

#include "harness/report/runs.h"
#include "harness/verdict/cost.h"
#include "harness/verdict/cure.h"
#include "harness/verdict/tally.h"

#include <cstddef>
#include <string>
#include <vector>

namespace reflux::report {

// The runs of one scenario at one place.
struct Cell {
    std::vector<std::size_t> runs;  // indexes of Runs::runs, in their order
    unsigned missed = 0;            // of them: the expectation was not met
};

struct Counted {
    std::vector<verdict::BatchRun> batch;  // of each run, in the order of Runs::runs
    std::vector<verdict::Tally> tallies;
    std::vector<Cell> cells;  // of each tally, in their order
    std::vector<verdict::ProofOfCure> proofs;
    std::vector<verdict::CostSummary> costs;

    // What is proven of the cure that a tally claims to be, and its costs; nullptr: none, or not measured.
    [[nodiscard]] const verdict::ProofOfCure* proof_of(const verdict::Tally& tally) const;
    [[nodiscard]] const verdict::CostSummary* cost_of(const verdict::Tally& tally) const;
};

// The kernel of a place is its release, with " (host)" where the run was made on the machine itself. Where it
// is not known (the guest was lost early) it is that of other runs for which the same kernel was asked, if
// they have one in common.
//
// Runs of one scenario count together only if they were made of the same definition: of several, the most
// frequent keeps the name, the others are named by what differs, "NAME [memcg.limit=128MiB]". What those
// claim is looked for among scenarios that differ in the same; but a control has no limit to differ in.
// Runs whose scenario does not load are of none of them: "NAME [definition unknown]".
Counted count(const std::vector<Run>& runs);

// The keys, with their values, in which a definition differs from another: "memcg.limit=128MiB",
// "fault.after gone".
std::vector<std::string> different_keys(const std::string& from, const std::string& definition);

// What a format is made of.
struct Report {
    Runs found;
    Counted counted;
};

}  // namespace reflux::report
