#include "harness/run/overhead_meter.h"

#include <algorithm>
#include <cmath>

namespace reflux::run {
namespace {

// Of sorted values, between two of them in proportion.
double quantile(const std::vector<double>& sorted, double share) {
    const double at = share * static_cast<double>(sorted.size() - 1);
    const auto low = static_cast<std::size_t>(std::floor(at));
    const auto high = std::min(low + 1, sorted.size() - 1);
    return sorted[low] + (at - std::floor(at)) * (sorted[high] - sorted[low]);
}

}  // namespace

std::optional<bool> OverheadMeter::next(double now_s, std::uint64_t bytes) {
    if (now_s - begin_s_ < window_s_) {
        return std::nullopt;
    }
    auto& sum = with_events() ? block_.with : block_.without;
    sum.seconds += now_s - begin_s_;
    sum.bytes += static_cast<double>(bytes - begin_bytes_);
    block_.idle = block_.idle || bytes == begin_bytes_;
    if (++window_ == pattern.size()) {
        window_ = 0;
        if (!block_.idle) {
            blocks_.push_back(block_);
        }
        block_ = {};
    }
    return with_events();
}

void OverheadMeter::begin(double now_s, std::uint64_t bytes) {
    begin_s_ = now_s;
    begin_bytes_ = bytes;
}

std::optional<evidence::TraceOverhead> OverheadMeter::result() const {
    if (blocks_.empty()) {
        return std::nullopt;
    }
    Sum with;
    Sum without;
    std::vector<double> ratios;
    for (const auto& block : blocks_) {
        with.seconds += block.with.seconds;
        with.bytes += block.with.bytes;
        without.seconds += block.without.seconds;
        without.bytes += block.without.bytes;
        ratios.push_back((block.with.bytes / block.with.seconds) /
                         (block.without.bytes / block.without.seconds));
    }
    std::sort(ratios.begin(), ratios.end());
    return evidence::TraceOverhead{.window_s = window_s_,
                                   .blocks = blocks_.size(),
                                   .with_bytes_s = with.bytes / with.seconds,
                                   .without_bytes_s = without.bytes / without.seconds,
                                   .ratio = quantile(ratios, 0.5),
                                   .ratio_low = quantile(ratios, 0.25),
                                   .ratio_high = quantile(ratios, 0.75)};
}

}  // namespace reflux::run
