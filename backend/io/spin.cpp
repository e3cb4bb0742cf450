// Fault spin: a request burns CPU before its I/O, for a set time or until the fault is cleared. The shape of
// a loop in user space that never comes to an end.
#include "backend/io/fault_kinds.h"

#include <chrono>

namespace reflux::io {
namespace {

using Clock = std::chrono::steady_clock;

class Spin final : public Fault {
  public:
    Result<bool> set_option(std::string_view key, std::string_view value) override {
        if (key != "time") {
            return false;
        }
        REFLUX_TRY(const Seconds time, parse_fault_time(value));
        time_ = std::chrono::ceil<Clock::duration>(time);
        return true;
    }
    FaultEffect apply(const FaultedRequest& /*any*/) override {
        const Clock::time_point begin = Clock::now();
        while (!ended_.load(std::memory_order_relaxed) &&
               (time_.count() == 0 || Clock::now() - begin < time_)) {
        }
        return {};
    }
    void end() override { ended_.store(true, std::memory_order_relaxed); }

  private:
    Clock::duration time_{};  // 0: no end
    std::atomic<bool> ended_ = false;
};

}  // namespace

std::unique_ptr<Fault> make_spin_fault() {
    return std::make_unique<Spin>();
}

}  // namespace reflux::io
