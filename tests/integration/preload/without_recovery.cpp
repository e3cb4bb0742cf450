// Preloaded into refluxd: the kernel refuses to end the recovery of a ublk device (END_USER_RECOVERY becomes
// a command that it does not know).
#include <dlfcn.h>
#include <liburing.h>
#include <linux/ioctl.h>

extern "C" int io_uring_submit(io_uring* ring) {
    constexpr unsigned end_recovery = 0x11;  // UBLK_CMD_END_USER_RECOVERY
    constexpr unsigned unknown = 0x7f;
    using Submit = int (*)(io_uring*);
    static const auto submit = reinterpret_cast<Submit>(::dlsym(RTLD_NEXT, "io_uring_submit"));
    io_uring_sqe& first = ring->sq.sqes[0];
    const bool is_command = first.opcode == IORING_OP_URING_CMD && (ring->flags & IORING_SETUP_SQE128) != 0;
    if (is_command && _IOC_TYPE(first.cmd_op) == 'u' && _IOC_NR(first.cmd_op) == end_recovery) {
        first.cmd_op = (first.cmd_op & ~0xffU) | unknown;
    }
    return submit(ring);
}
