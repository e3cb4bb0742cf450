#include "harness/verdict/confidence.h"

#include <cmath>

#include <gtest/gtest.h>

namespace reflux::verdict {
namespace {

void expect_bounds(const Share& share, double lower, double upper) {
    const Bounds bounds = bounds_of(share);
    EXPECT_NEAR(bounds.lower, lower, 1e-6) << share.count << " of " << share.trials;
    EXPECT_NEAR(bounds.upper, upper, 1e-6) << share.count << " of " << share.trials;
}

TEST(ConfidenceTest, BothSidesWhereItWasSomeOfThem) {
    // Tabulated values of Clopper and Pearson's interval.
    expect_bounds({.count = 5, .trials = 20}, 0.0865715, 0.4910459);
    expect_bounds({.count = 10, .trials = 20}, 0.2719578, 0.7280422);
    expect_bounds({.count = 1, .trials = 10}, 0.0025286, 0.4450161);
}

TEST(ConfidenceTest, OneSideWhereItWasAllOrNone) {
    // (1 - p)^n = 0.05
    expect_bounds({.count = 0, .trials = 20}, 0, 0.1391083);
    expect_bounds({.count = 20, .trials = 20}, 0.8608917, 1);
    expect_bounds({.count = 1, .trials = 1}, 0.05, 1);
    expect_bounds({.count = 0, .trials = 1000}, 0, 0.0029912);
    expect_bounds({}, 0, 1);
}

TEST(ConfidenceTest, WhatIsUndecidedCountsAgainstEachSide) {
    expect_bounds({.count = 0, .trials = 20, .undecided = 2}, 0, 0.2826185);
    expect_bounds({.count = 5, .trials = 20, .undecided = 5}, 0.0865715, 0.7280422);
    expect_bounds({.count = 18, .trials = 20, .undecided = 2}, 0.7173815, 1);
    expect_bounds({.count = 0, .trials = 3, .undecided = 3}, 0, 1);
}

// Of a probability at a bound, so many or more (so few or less) come with 2.5%: the definition, summed up.
TEST(ConfidenceTest, ABoundIsWhereTheTailIsWhatIsLeftOut) {
    const auto tail = [](unsigned trials, unsigned from, unsigned to, double p) {
        double sum = 0;
        for (unsigned k = from; k <= to; ++k) {
            const double choose = std::lgamma(trials + 1) - std::lgamma(k + 1) - std::lgamma(trials - k + 1);
            sum += std::exp(choose + k * std::log(p) + (trials - k) * std::log(1 - p));
        }
        return sum;
    };
    for (const unsigned trials : {2U, 3U, 7U, 20U, 100U}) {
        for (unsigned count = 1; count < trials; ++count) {
            const Bounds bounds = bounds_of({.count = count, .trials = trials});
            EXPECT_NEAR(tail(trials, count, trials, bounds.lower), 0.025, 1e-9) << count << "/" << trials;
            EXPECT_NEAR(tail(trials, 0, count, bounds.upper), 0.025, 1e-9) << count << "/" << trials;
        }
    }
}

TEST(ConfidenceTest, TextIsRoundedOutwards) {
    EXPECT_EQ(to_string(Share{.count = 20, .trials = 20}), "20 of 20 (at least 86%)");
    EXPECT_EQ(to_string(Share{.count = 0, .trials = 20}), "0 of 20 (at most 14%)");
    EXPECT_EQ(to_string(Share{.count = 5, .trials = 20}), "5 of 20 (8% to 50%)");
    EXPECT_EQ(to_string(Share{.count = 1, .trials = 1}), "1 of 1 (at least 5%)");
    EXPECT_EQ(to_string(Share{.count = 0, .trials = 1000}), "0 of 1000 (at most 0.3%)");
    EXPECT_EQ(to_string(Share{.count = 1000, .trials = 1000}), "1000 of 1000 (at least 99.7%)");
    EXPECT_EQ(to_string(Share{.count = 0, .trials = 20, .undecided = 2}), "0 to 2 of 20 (at most 29%)");
    EXPECT_EQ(to_string(Share{.count = 0, .trials = 2, .undecided = 2}), "0 to 2 of 2 (nothing known)");
    EXPECT_EQ(to_string(Bounds{.lower = 0.5, .upper = 0.5}), "50% to 50%");
}

}  // namespace
}  // namespace reflux::verdict
