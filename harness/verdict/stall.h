// Rule 4 of judge() (verdict.h): what a stall was.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/verdict.h"
#include "harness/verdict/watch.h"

#include <vector>

namespace reflux::verdict {

// Sets outcome, cycle and proof, and adds reasons. `evidence.stall` must be set; `tasks` are its tasks.
void judge_stall(const evidence::Evidence& evidence, const std::vector<Watched>& tasks, Verdict& verdict);

}  // namespace reflux::verdict
