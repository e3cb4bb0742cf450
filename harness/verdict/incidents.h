// What a run shows besides its outcome, in sentences: a commit of XFS that is stuck in an allocation,
// allocations that the kernel itself warns of, victims of the OOM killer and their end, reports of lockdep,
// io cgroups, and how much memory, swap and slab was left at a stall.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/watch.h"

#include <string>
#include <vector>

namespace reflux::verdict {

// `tasks` are those of the stall (watch.h); empty without one.
std::vector<std::string> incident_sentences(const evidence::Evidence& evidence,
                                            const std::vector<Watched>& tasks);

}  // namespace reflux::verdict
