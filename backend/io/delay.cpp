// Fault delay: a request waits a set time before its I/O.
#include "backend/io/fault_kinds.h"

#include <chrono>
#include <condition_variable>

namespace reflux::io {
namespace {

class Delay final : public Fault {
  public:
    Result<bool> set_option(std::string_view key, std::string_view value) override {
        if (key != "time") {
            return false;
        }
        REFLUX_TRY(const Seconds time, parse_fault_time(value));
        time_ = std::chrono::ceil<std::chrono::nanoseconds>(time);
        return true;
    }
    Status prepare() override {
        return time_.count() > 0
                   ? Status{}
                   : Status(fail(ErrorKind::invalid_input, "time is missing: delay time=DURATION"));
    }
    FaultEffect apply(const FaultedRequest& /*any*/) override {
        std::unique_lock lock(mutex_);
        ending_.wait_for(lock, time_, [this] { return ended_; });
        return {};
    }
    void end() override {
        {
            const std::lock_guard lock(mutex_);
            ended_ = true;
        }
        ending_.notify_all();
    }

  private:
    std::chrono::nanoseconds time_{};
    std::mutex mutex_;  // guards ended_
    std::condition_variable ending_;
    bool ended_ = false;
};

}  // namespace

std::unique_ptr<Fault> make_delay_fault() {
    return std::make_unique<Delay>();
}

}  // namespace reflux::io
