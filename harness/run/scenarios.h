// The scenarios that a batch or a matrix is asked for.
#pragma once

#include "harness/scenario/load.h"
#include "harness/verdict/tally.h"

#include <string>
#include <vector>

namespace reflux::run {

// Loads scenarios (names or files), each with the overrides ("key=value"), and checks their mitigations: what
// is wrong is told before anything is started. With baselines, those that they name as baseline and control
// come after them, where they are not among them.
Result<std::vector<scenario::Scenario>> load_scenarios(const std::vector<std::string>& names,
                                                       const std::vector<std::string>& overrides,
                                                       bool with_baselines);

// What the scenario claims in a batch.
verdict::Claim claim_of(const scenario::Scenario& scenario);

}  // namespace reflux::run
