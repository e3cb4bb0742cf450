// Whether this kernel's io_uring can be judged: do its workers show as threads of the process that uses it?
#pragma once

#include "backend/base/result.h"

namespace reflux::probe {

// Since 5.12 they do (IORING_FEAT_NATIVE_WORKERS); before, they are kernel threads that neither the trace nor
// /proc connects with the daemon. unsupported, with the reason, also where there is no io_uring.
Status native_io_workers();

}  // namespace reflux::probe
