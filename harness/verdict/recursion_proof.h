// The reclaims that show most of how far the daemon's went, in words.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/verdict.h"

#include <optional>
#include <string>
#include <vector>

namespace reflux::verdict {

// Whether an event inside it names the upper device; never where that is not known.
bool reaches_upper(const evidence::Evidence& evidence, const evidence::Reclaim& reclaim);
// The reclaims that the evidence keeps: one that reaches the upper device before one that does not, one that
// has not ended before one that did, then the longest.
std::vector<RecursionProof> strongest_reclaims(const evidence::Evidence& evidence);
// The first of them; nullopt: there is none.
std::optional<RecursionProof> strongest_reclaim(const evidence::Evidence& evidence);
// "GFP_HIGHUSER_MOVABLE (0x100cca), which may call into filesystems"; by its bits where they are known.
std::string describe_mask(const evidence::Reclaim& reclaim);
// "folio writeback of 7:1, 5.2 s": what for by the stack, else by the event in front of it, else unknown.
std::string describe_wait(const evidence::TaskWait& wait);

}  // namespace reflux::verdict
