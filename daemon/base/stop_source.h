// The wish that the daemon ends, from a signal or from inside it; waited for by poll on fd().
#pragma once

#include "backend/base/unique_fd.h"

#include <atomic>
#include <memory>

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

  private:
    explicit StopSource(UniqueFd event) : event_(std::move(event)) {}

    UniqueFd event_;  // eventfd
    std::atomic<bool> requested_ = false;
};

// SIGTERM and SIGINT request `stop` from now on, in whatever thread they arrive; SIGPIPE is ignored. `stop`
// must live until the process ends.
Status stop_on_signals(StopSource& stop);

}  // namespace reflux
