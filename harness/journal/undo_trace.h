// Undoing what tracing made; of undo.cpp.
#pragma once

#include "harness/journal/undo.h"

namespace reflux::journal {

// Takes locks of the kernel's tracing and waits for RCU. Busy for as long as somebody, a helper that was
// given up on for example, holds a file of it open.
Status remove_trace_instance(const Object& object);
// Takes each event of the group off the machine's one list of probe events, and no other. The folder of the
// group goes with the last of them. Busy for as long as an instance has one of them on.
Status remove_trace_probes(const Object& object);

}  // namespace reflux::journal
