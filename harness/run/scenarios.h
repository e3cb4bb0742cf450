// The scenarios that a batch or a matrix is asked for.
#pragma once

#include "harness/scenario/load.h"
#include "harness/verdict/tally.h"

#include <string>
#include <string_view>
#include <vector>

namespace reflux::run {

// The name that stands for every scenario of the search path.
inline constexpr std::string_view all_scenarios = "all";

// Loads scenarios (names or files; "NAME+a+b" is NAME under mitigations a and b; all_scenarios), each with
// the overrides
// ("key=value") and with what its mitigations change in it: what is wrong is told before anything is started.
// With baselines, those that they name as baseline and control come after them, where they are not among
// them.
Result<std::vector<scenario::Scenario>> load_scenarios(const std::vector<std::string>& names,
                                                       const std::vector<std::string>& overrides,
                                                       bool with_baselines);

// Each scenario under each of the mitigations, as load_scenarios() takes them; without any as they are.
std::vector<std::string> under_each(const std::vector<std::string>& scenarios,
                                    const std::vector<std::string>& mitigations);

// What the scenario claims in a batch.
verdict::Claim claim_of(const scenario::Scenario& scenario);

}  // namespace reflux::run
