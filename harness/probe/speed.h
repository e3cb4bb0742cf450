// How fast this machine does what storage stacks do, to compare a guest with its host.
#pragma once

#include "backend/base/result.h"
#include "backend/base/units.h"

namespace reflux::probe {

// Time for a fixed amount of work: system calls, page faults, copying and some arithmetic; about 0.1 s on a
// machine of 2020. The least of three rounds, for others may be using the processor.
Result<Seconds> time_of_fixed_work();

}  // namespace reflux::probe
