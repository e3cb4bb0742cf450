// Scope io_flusher: what pread_nofs() and pwrite_nofs() could be on a stock kernel, and more than they ask
// for, since the mark keeps allocations from starting any I/O and makes dirty throttling look at one device.
#include "backend/base/io_flusher.h"
#include "backend/base/task_stat.h"
#include "backend/io/call_scope.h"

namespace reflux::io {
namespace {

class IoFlusherScope final : public CallScope {
  public:
    bool enter() override { return set_io_flusher(true); }
    bool leave() override { return set_io_flusher(false); }
};

Result<bool> is_marked() {
    REFLUX_TRY(const auto stat, read_task_stat("/proc/thread-self/stat"));
    return is_io_flusher(stat);
}

// prctl's own word is not taken for it: a seccomp filter or a preloaded library may answer 0 and do nothing.
Status check_in_force() {
    REFLUX_TRY(const bool before, is_marked());
    if (before) {
        return fail(ErrorKind::invalid_input,
                    "the thread is an I/O flusher already, and would be none after its first call");
    }
    REFLUX_CHECK(mark_io_flusher());
    const auto inside = is_marked();
    set_io_flusher(false);
    REFLUX_TRY(const bool marked, inside);
    REFLUX_TRY(const bool after, is_marked());
    if (!marked || after) {
        return fail(ErrorKind::unsupported,
                    fmt::format("prctl PR_SET_IO_FLUSHER succeeds without effect: the thread's flags {}",
                                marked ? "keep the mark" : "do not have the mark"));
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<CallScope>> make_io_flusher_scope() {
    REFLUX_CHECK(check_in_force());
    return std::make_unique<IoFlusherScope>();
}

}  // namespace reflux::io
