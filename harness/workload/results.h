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
// What its steps took and how much it moved, up to `now_ns` (CLOCK_MONOTONIC) or to its own end, whichever is
// earlier; nullopt: it has not begun. An operation that has not ended counts with its age, for what hangs is
// what took longest; but that of a worker that a signal ended does not, for nobody knows when it was cut off.
std::optional<evidence::WorkloadCost> workload_cost(const SharedState& state, std::uint64_t now_ns);
// Not done, with the reason, when no verifier has run to its end on this region.
evidence::Verification verification(const SharedState& state);

}  // namespace reflux::workload
