// What the shared region tells, as evidence. Reads the region only; for the harness.
#pragma once

#include "backend/base/child.h"
#include "harness/evidence/evidence.h"
#include "harness/workload/progress.h"

#include <optional>

namespace reflux::workload {

// `exit`: of the generator's process; nullopt: it has not ended. `killed_by_harness`: the harness sent it a
// signal.
evidence::WorkloadResult workload_result(const SharedState& state, const std::optional<ExitStatus>& exit,
                                         bool killed_by_harness);
// Not done, with the reason, when no verifier has run to its end on this region.
evidence::Verification verification(const SharedState& state);

}  // namespace reflux::workload
