// An io_uring of one thread: engine uring's, and that of a ublk queue.
#pragma once

#include "backend/base/result.h"

#include <memory>
#include <span>

#include <liburing.h>

namespace reflux::io {

// Made by any thread, which also registers what it knows; then enable() in the one thread that uses it.
class Ring {
  public:
    // `entries`: as many as are ever queued at once. unsupported: this kernel has none, or forbids it to this
    // process (kernel.io_uring_disabled, seccomp); the error says which.
    static Result<Ring> make(unsigned entries);

    // The kernel resolves them once and not for every request.
    Status register_files(std::span<const int> fds);
    // At most so many io-wq workers for files; kernels before 5.15 keep their own limit (the ring's entries,
    // four a CPU).
    Status limit_workers(unsigned most);
    // Pins the memory. False: RLIMIT_MEMLOCK, or the kernel, does not allow it.
    bool register_memory(std::span<std::byte> memory);
    Status enable();

    [[nodiscard]] io_uring* get() const { return ring_.get(); }
    // Submits what is queued and waits for a completion. What the kernel may say besides success (EINTR,
    // EAGAIN and EBUSY under memory pressure) passes, and what was not submitted stays in the ring.
    void submit_and_wait() { static_cast<void>(::io_uring_submit_and_wait(get(), 1)); }
    // Gives each completion that is there to visit(const io_uring_cqe&).
    template <class Visit>
    void take_completions(Visit visit) {
        unsigned head = 0;
        unsigned count = 0;
        io_uring_cqe* cqe = nullptr;
        io_uring_for_each_cqe(get(), head, cqe) {
            visit(*cqe);
            ++count;
        }
        ::io_uring_cq_advance(get(), count);
    }

  private:
    struct Destroy {
        void operator()(io_uring* ring) const noexcept {
            ::io_uring_queue_exit(ring);
            delete ring;  // NOLINT(*-owning-memory)
        }
    };
    using Handle = std::unique_ptr<io_uring, Destroy>;
    explicit Ring(Handle ring) : ring_(std::move(ring)) {}

    Handle ring_;  // the kernel and liburing know its address
};

}  // namespace reflux::io
