// The end of a request that a test waits for.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>

namespace reflux::test {

// Threads: end() from any, once; wait() from any.
class Ending {
  public:
    void end(int error) {
        const std::lock_guard lock(mutex_);
        error_ = error;
        ended_.notify_all();
    }
    // The error with which it ended.
    int wait() {
        std::unique_lock lock(mutex_);
        ended_.wait(lock, [this] { return error_.has_value(); });
        return *error_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable ended_;
    std::optional<int> error_;
};

}  // namespace reflux::test
