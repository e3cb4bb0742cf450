#include "harness/probe/speed.h"

#include <gtest/gtest.h>

namespace reflux {
namespace {

TEST(Speed, IsATimeThatComparesTwoMachines) {
    const auto once = probe::time_of_fixed_work();
    const auto again = probe::time_of_fixed_work();
    ASSERT_TRUE(once && again);
    EXPECT_GT(once->count(), 0);
    // The same work: however busy the machine is, the best of three rounds does not differ by orders of
    // magnitude.
    EXPECT_LT(*again / *once, 10);
    EXPECT_GT(*again / *once, 0.1);
}

}  // namespace
}  // namespace reflux
