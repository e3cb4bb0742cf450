// The mitigations of a run, from what they change in the plan to what is seen of them. What cannot be applied
// is unsupported, with the reason; nothing is passed over.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/journal/journal.h"
#include "harness/mitigation/mitigation.h"
#include "harness/pressure/memcg.h"
#include "harness/run/console.h"
#include "harness/scenario/scenario.h"
#include "harness/stack/stack.h"

#include <vector>

namespace reflux::run {

using Mitigations = std::vector<mitigation::Row>;

// The scenario with what its mitigations change in it: lower filesystem, engine and place of the daemon, a
// longer stall window. A second time changes nothing more.
scenario::Scenario with_effects(scenario::Scenario scenario, const Mitigations& mitigations);

// The files that they write before the stack stands, and when it does. Each that outlives the run is
// journalled with its old text first.
Status set_before_stack(const Mitigations& mitigations, journal::Journal& journal);
Status set_on_stack(const Mitigations& mitigations, const stack::Stack& stack, const pressure::Memcg& memcg,
                    journal::Journal& journal);
// Of what was written before the stack, what had to last only until that stands: read back, and put back.
// unsupported: it had not lasted. Call when the stack stands, before read_mitigations_back().
Status end_before_stack(const Mitigations& mitigations, journal::Journal& journal,
                        evidence::Evidence& evidence, Console& console);

// Reads them back from what runs. unsupported: one is not in force; what is seen of it is in the evidence,
// too.
Status read_mitigations_back(const Mitigations& mitigations, const stack::Stack& stack,
                             const pressure::Memcg& memcg, evidence::Evidence& evidence, Console& console);
// Those that count, when the pressure is over: a mark that failed now and then was not in force. A daemon
// that does not answer leaves what was seen before.
void read_counts_again(const Mitigations& mitigations, const stack::Stack& stack,
                       const pressure::Memcg& memcg, evidence::Evidence& evidence);

}  // namespace reflux::run
