#include "harness/workload/plan.h"

#include <gtest/gtest.h>

namespace reflux::workload {
namespace {

TEST(Plan, KeepsFullDirectoriesWhereTheCapacityAllows) {
    const auto layout = layout_of(WorkloadPlan{});
    ASSERT_TRUE(layout) << layout.error().message;
    EXPECT_EQ(layout->files_per_directory, 60U);
    EXPECT_GE(layout->directories, 10U);
    EXPECT_LE(layout->directories, 64U);
}

TEST(Plan, LiveDataStaysBelowItsShareOfTheCapacity) {
    for (const std::uint64_t capacity : {256U, 300U, 512U, 1024U, 4096U}) {
        for (const std::uint32_t workers : {1U, 3U, 8U}) {
            const WorkloadPlan plan{.workers = workers,
                                    .large_file = mebibytes(50),
                                    .append_every = workers,
                                    .capacity = mebibytes(capacity)};
            const auto layout = layout_of(plan);
            ASSERT_TRUE(layout) << layout.error().message;
            const std::uint64_t files = layout->files_per_directory;
            const std::uint64_t appended =
                (files + plan.append_every - 1) / plan.append_every * append_round.value * max_append_rounds;
            const std::uint64_t most =
                workers * layout->directories * (files * plan.small_file.value + appended) +
                plan.large_file.value;
            EXPECT_LE(static_cast<double>(most), live_share * static_cast<double>(plan.capacity.value))
                << capacity << " MiB, " << workers << " workers";
        }
    }
}

TEST(Plan, MakesSmallerDirectoriesOnASmallFilesystem) {
    const auto layout = layout_of({.workers = 8, .large_file = mebibytes(50), .capacity = mebibytes(200)});
    ASSERT_TRUE(layout) << layout.error().message;
    EXPECT_LT(layout->files_per_directory, 60U);
    EXPECT_GE(layout->files_per_directory, 4U);
    EXPECT_GE(layout->directories, 2U);
}

TEST(Plan, RefusesWhatCannotFit) {
    const auto small = layout_of({.large_file = mebibytes(100), .capacity = mebibytes(128)});
    ASSERT_FALSE(small);
    EXPECT_EQ(small.error().kind, ErrorKind::invalid_input);
    EXPECT_NE(small.error().message.find("too small"), std::string::npos) << small.error().message;
}

TEST(Plan, RefusesNumbersOutOfRange) {
    EXPECT_FALSE(layout_of({.workers = 0}));
    EXPECT_FALSE(layout_of({.workers = max_workers + 1, .capacity = gibibytes(1024)}));
    EXPECT_FALSE(layout_of({.small_file = Bytes{0}}));
}

TEST(Plan, SharesAddUpToTheWork) {
    const WorkloadPlan plan{.workers = 7, .work = Bytes{1000}};
    Bytes sum{};
    for (std::uint32_t i = 0; i < plan.workers; ++i) {
        sum += share_of(plan, i);
    }
    EXPECT_EQ(sum, plan.work);
}

}  // namespace
}  // namespace reflux::workload
