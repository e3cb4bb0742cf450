// PR_SET_IO_FLUSHER (Linux 5.6), the kernel's mark for threads on which I/O depends; see task_stat.h for what
// it sets and how it is read back.
#pragma once

#include "backend/base/result.h"

namespace reflux {

// Marks the calling thread. Threads that it starts later inherit the mark and programs that it becomes keep
// it; threads that exist already do not get it. unsupported where the kernel refuses.
Status mark_io_flusher();
// The bare call, for a mark that is set and taken off again. False: refused, errno says why.
bool set_io_flusher(bool on);

}  // namespace reflux
