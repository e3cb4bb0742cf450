#include "harness/probe/io_uring.h"

#include "backend/base/unique_fd.h"

#include <cerrno>

#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

namespace reflux::probe {

Status native_io_workers() {
    io_uring_params parameters{};
    const UniqueFd ring(static_cast<int>(::syscall(SYS_io_uring_setup, 1, &parameters)));
    if (!ring) {
        return fail(ErrorKind::unsupported,
                    fmt::format("daemon.engine = uring: {}; it needs io_uring, not forbidden by "
                                "kernel.io_uring_disabled or seccomp",
                                system_error("io_uring_setup", errno).message));
    }
    if ((parameters.features & IORING_FEAT_NATIVE_WORKERS) == 0) {
        return fail(
            ErrorKind::unsupported,
            "daemon.engine = uring: this kernel's io_uring works in kernel threads that cannot be told "
            "from others' (before 5.12), so what the daemon does would not be seen");
    }
    return {};
}

}  // namespace reflux::probe
