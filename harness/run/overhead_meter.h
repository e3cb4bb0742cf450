// What tracing costs a steady load: short windows with and without the events, in blocks of
// with-without-without-with, so that a steady drift falls on both alike. What the events of a window cost to
// read belongs to that window: drain the trace before next(). Pure.
#pragma once

#include "harness/evidence/evidence.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace reflux::run {

class OverheadMeter {
  public:
    explicit OverheadMeter(double window_s) : window_s_(window_s) {}

    // The window that runs, if it has lasted, ends here; `bytes` is what the device has completed so far.
    // Gives what the next one needs, the events on or off; nullopt: the window goes on.
    std::optional<bool> next(double now_s, std::uint64_t bytes);
    // The events are as next() asked: the window begins here.
    void begin(double now_s, std::uint64_t bytes);
    // The events are on in the window that runs; begin with them on.
    [[nodiscard]] bool with_events() const { return pattern.at(window_); }
    [[nodiscard]] std::size_t blocks() const { return blocks_.size(); }
    // Over the whole blocks up to now; nullopt: there are none.
    [[nodiscard]] std::optional<evidence::TraceOverhead> result() const;

  private:
    static constexpr std::array pattern{true, false, false, true};
    struct Sum {
        double seconds = 0;
        double bytes = 0;
    };
    struct Block {
        Sum with, without;
        bool idle = false;  // in one of its windows nothing was completed
    };

    double window_s_;
    double begin_s_ = 0;
    std::uint64_t begin_bytes_ = 0;
    std::size_t window_ = 0;
    Block block_;
    std::vector<Block> blocks_;
};

}  // namespace reflux::run
