// The second axis of the verdict: how far reclaim entered by the daemon's threads went. The rule stands at
// judge() in verdict.h.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/verdict.h"
#include "harness/verdict/watch.h"

#include <optional>
#include <string>
#include <vector>

namespace reflux::verdict {

struct RecursionFinding {
    std::optional<Recursion> recursion;
    std::vector<std::string> reasons;
    std::vector<std::string> notes;  // on the trace itself: what it cannot show here, what it cost
};
// `tasks`: those of the stall, empty if there was none.
RecursionFinding judge_recursion(const evidence::Evidence& evidence, const std::vector<Watched>& tasks);

}  // namespace reflux::verdict
