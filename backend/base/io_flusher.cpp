#include "backend/base/io_flusher.h"

#include <sys/prctl.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

namespace reflux {

bool set_io_flusher(bool on) {
    return ::prctl(PR_SET_IO_FLUSHER, on ? 1 : 0, 0, 0, 0) == 0;
}

Status mark_io_flusher() {
    if (set_io_flusher(true)) {
        return {};
    }
    const int error = errno;
    return fail({.kind = ErrorKind::unsupported,
                 .message = error == EPERM
                                ? "prctl PR_SET_IO_FLUSHER is refused: it needs CAP_SYS_RESOURCE"
                                : system_error("prctl PR_SET_IO_FLUSHER (Linux 5.6)", error).message,
                 .errnum = error});
}

}  // namespace reflux
