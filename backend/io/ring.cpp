#include "backend/io/ring.h"

#include "backend/base/kernel_file.h"

#include <array>

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace reflux::io {
namespace {

// From the kernel that helps most to the oldest that has what is needed (5.10). DEFER_TASKRUN (6.1):
// completions are worked on when this thread asks for them, and do not interrupt it; COOP_TASKRUN (5.19): at
// its next system call. Disabled at first: files and memory are registered by the maker, and with
// SINGLE_ISSUER the thread that enables it is the one that may use it.
constexpr std::array<unsigned, 3> setups{
    IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    IORING_SETUP_R_DISABLED | IORING_SETUP_COOP_TASKRUN, IORING_SETUP_R_DISABLED};

tl::unexpected<Error> refused(int error) {
    std::string why;
    if (error == ENOSYS) {
        why = "this kernel has no io_uring";
    } else if (error == EINVAL) {
        why = "this kernel's io_uring is older than 5.10";
    } else if (error == ENOMEM) {
        why = "raise RLIMIT_MEMLOCK";
    } else if (error == EPERM || error == EACCES) {
        const std::string disabled =
            trimmed(read_file("/proc/sys/kernel/io_uring_disabled").value_or("not there"));
        why = disabled == "1" || disabled == "2"
                  ? fmt::format("the sysctl kernel.io_uring_disabled is {}", disabled)
                  : "a seccomp filter (of a container?) or a security module forbids it";
    }
    return fail({.kind = ErrorKind::unsupported,
                 .message = fmt::format("{}{}{}", system_error("io_uring_setup", error).message,
                                        why.empty() ? "" : ": ", why),
                 .errnum = error});
}

}  // namespace

Result<Ring> Ring::make(unsigned entries) {
    int error = 0;
    for (const unsigned flags : setups) {
        auto ring = std::make_unique<io_uring>();
        io_uring_params parameters{};
        parameters.flags = flags;
        error = -::io_uring_queue_init_params(entries, ring.get(), &parameters);
        if (error == 0) {
            return Ring(Handle(ring.release()));
        }
        if (error != EINVAL) {
            break;
        }
    }
    return refused(error);
}

Status Ring::register_files(std::span<const int> fds) {
    const int error = -::io_uring_register_files(get(), fds.data(), static_cast<unsigned>(fds.size()));
    return error == 0 ? Status{} : Status(fail_errno("io_uring_register files", error));
}

Status Ring::limit_workers(unsigned most) {
    // For regular files and block devices; for all else, of which there is nothing.
    std::array<unsigned, 2> workers{most, 1};
    const int error = -::io_uring_register_iowq_max_workers(get(), workers.data());
    return error == 0 || error == EINVAL ? Status{}
                                         : Status(fail_errno("io_uring_register iowq_max_workers", error));
}

bool Ring::register_memory(std::span<std::byte> memory) {
    const iovec whole{.iov_base = memory.data(), .iov_len = memory.size()};
    return ::io_uring_register_buffers(get(), &whole, 1) == 0;
}

Status Ring::enable() {
    // liburing 2.3 declares io_uring_enable_rings and does not export it.
    const auto done =
        ::syscall(SYS_io_uring_register, get()->ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    return done == 0 ? Status{} : Status(fail_errno("io_uring_register enable_rings"));
}

}  // namespace reflux::io
