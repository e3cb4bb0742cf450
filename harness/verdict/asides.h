// What a verdict tells beside what was judged: what somebody did on purpose.
#pragma once

#include "harness/verdict/verdict.h"

namespace reflux::verdict {

// Faults decide nothing: but a run that went on to its end without its fault says nothing of what the fault
// does, and becomes inconclusive.
void add_faults(const evidence::Evidence& evidence, Verdict& verdict);
// Nor does what the scenario had somebody else do meanwhile.
void add_meanwhile(const evidence::Evidence& evidence, Verdict& verdict);

}  // namespace reflux::verdict
