#include "harness/run/overhead_meter.h"

#include <gtest/gtest.h>

namespace reflux::run {
namespace {

// A device that completes `with` and `without` bytes a second in the two states, and `drift` more each
// second.
struct Device {
    double with = 0;
    double without = 0;
    double drift = 0;
};

std::optional<evidence::TraceOverhead> measure(const Device& device, double seconds) {
    OverheadMeter meter(0.5);
    double bytes = 0;
    bool on = true;
    meter.begin(0, 0);
    constexpr double tick = 0.25;
    for (int i = 1; i * tick <= seconds; ++i) {
        const double now = i * tick;
        bytes += tick * ((on ? device.with : device.without) + device.drift * now);
        if (const auto next = meter.next(now, static_cast<std::uint64_t>(bytes))) {
            on = *next;
            EXPECT_EQ(meter.with_events(), on);
            meter.begin(now, static_cast<std::uint64_t>(bytes));
        }
    }
    return meter.result();
}

TEST(OverheadMeter, ComparesWindowsWithAndWithout) {
    const auto cost = measure({.with = 0.9e9, .without = 1e9}, 9);
    ASSERT_TRUE(cost);
    EXPECT_EQ(cost->blocks, 4U);
    EXPECT_DOUBLE_EQ(cost->window_s, 0.5);
    EXPECT_NEAR(cost->ratio, 0.9, 1e-6);
    EXPECT_NEAR(cost->ratio_low, 0.9, 1e-6);
    EXPECT_NEAR(cost->ratio_high, 0.9, 1e-6);
    EXPECT_NEAR(cost->with_bytes_s, 0.9e9, 1e3);
    EXPECT_NEAR(cost->without_bytes_s, 1e9, 1e3);
}

TEST(OverheadMeter, ADriftIsNoCost) {
    const auto cost = measure({.with = 1e8, .without = 1e8, .drift = 1e8}, 8);
    ASSERT_TRUE(cost);
    EXPECT_NEAR(cost->ratio, 1, 1e-6);
}

TEST(OverheadMeter, SaysNothingOfLessThanOneBlock) {
    EXPECT_FALSE(measure({.with = 1e9, .without = 1e9}, 1.9));
}

TEST(OverheadMeter, ABlockWithAnIdleWindowDoesNotCount) {
    EXPECT_FALSE(measure({.with = 1e9, .without = 0}, 8));
}

TEST(OverheadMeter, TheSpreadIsThatOfTheBlocks) {
    OverheadMeter meter(1);
    double now = 0;
    std::uint64_t bytes = 0;
    meter.begin(now, bytes);
    for (const std::uint64_t with : {80U, 90U, 100U, 110U, 120U}) {
        for (const bool on : {true, false, false, true}) {
            EXPECT_EQ(meter.with_events(), on);
            EXPECT_FALSE(meter.next(now + 0.5, bytes)) << "the window has not lasted";
            now += 1;
            bytes += on ? with : 100;
            ASSERT_TRUE(meter.next(now, bytes));
            meter.begin(now, bytes);
        }
    }
    const auto cost = meter.result();
    ASSERT_TRUE(cost);
    EXPECT_DOUBLE_EQ(cost->ratio, 1);
    EXPECT_DOUBLE_EQ(cost->ratio_low, 0.9);
    EXPECT_DOUBLE_EQ(cost->ratio_high, 1.1);
}

}  // namespace
}  // namespace reflux::run
