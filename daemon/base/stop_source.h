// The wish that the daemon ends, from a signal or from inside it; waited for by poll on fd().
#pragma once

#include "backend/base/unique_fd.h"

#include <atomic>
#include <memory>
#include <utility>

#include <time.h>

namespace reflux {

class StopSource {
  public:
    static Result<std::unique_ptr<StopSource>> make();

    // Readable once request() was called; stays so. For poll.
    [[nodiscard]] int fd() const { return event_.get(); }
    // No system call.
    [[nodiscard]] bool requested() const { return requested_.load(std::memory_order_relaxed); }
    // Async-signal-safe.
    void request();

    // A thread that waits in system calls (a read of /dev/fuse) instead of in poll: while this lives, each of
    // them that waits once `stop` is requested ends by EINTR. The thread looks at requested() before each.
    class Interruption {
      public:
        // Of the calling thread. One at a time of a source.
        static Result<Interruption> make(StopSource& stop);
        Interruption(Interruption&& other) noexcept : stop_(std::exchange(other.stop_, nullptr)) {}
        Interruption(const Interruption&) = delete;
        Interruption& operator=(const Interruption&) = delete;
        Interruption& operator=(Interruption&&) = delete;
        ~Interruption();

      private:
        explicit Interruption(StopSource& stop) : stop_(&stop) {}
        StopSource* stop_;
    };

  private:
    explicit StopSource(UniqueFd event) : event_(std::move(event)) {}

    UniqueFd event_;  // eventfd
    std::atomic<bool> requested_ = false;
    // Interrupts, again and again: one signal could come between a look at requested_ and the system call.
    std::atomic<bool> has_timer_ = false;
    timer_t timer_{};
};

// SIGTERM and SIGINT request `stop` from now on, in whatever thread they arrive; SIGPIPE is ignored. `stop`
// must live until the process ends.
Status stop_on_signals(StopSource& stop);

}  // namespace reflux
