// What a batch proves of its cures. That a cure completes says nothing by itself: the stall may not come on
// this machine at all, or the stack may be unable to complete whatever presses. So it counts only beside a
// baseline that stalled (known-positive gate) and a control without pressure that completed, at the same
// place.
#pragma once

#include "harness/verdict/tally.h"

#include <string>
#include <vector>

namespace reflux::verdict {

struct ProofOfCure {
    std::string scenario;
    Place place;
    bool proven = false;               // nothing is missing, and it is not likely to be chance
    std::vector<std::string> missing;  // clauses: "its baseline NAME was not run beside it"
    double chance = 1;  // that runs would fall so if the cure did nothing; 1 where some is missing
    std::string line;   // one for people: "NAME: cure proven: …", seen, unproven

    [[nodiscard]] const char* word() const {
        return proven ? "cure proven" : missing.empty() ? "cure seen" : "cure unproven";
    }
};
// One for each tally that claims a cure. Seen, when
//  1. the cure completed, in every run that was made of it;
//  2. its baseline, not a cure itself (a --set may make it one), was troubled (tally.h) under the same
//  conditions;
//  3. its control completed in every run that was made. It is the one that the cure names, else its
//  baseline's.
// Proven, when besides the chance of that is less than 5% (Fisher's exact test, one-sided: of all ways to
// deal the troubled runs out among baseline and cure, the share in which the cure gets none). One run of each
// is chance every second time; four of each, where the baseline always stalls, are a proof.
std::vector<ProofOfCure> prove_cures(const std::vector<Tally>& batch);

// The proof that a run of a batch belongs to; nullptr: it claims no cure.
const ProofOfCure* find_proof(const std::vector<ProofOfCure>& proofs, const BatchRun& run);

// What a batch says as a whole: the lines of its counts, then those of its proofs.
std::vector<std::string> summary(const std::vector<Tally>& batch, const std::vector<ProofOfCure>& proofs);

}  // namespace reflux::verdict
