#include "harness/run/matrix_time.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::run {
namespace {

MatrixRun run_of(double seconds) {
    return {.outcome = "slow", .time = Seconds(seconds)};
}

Cell cell(const std::string& kernel, unsigned wanted, std::vector<MatrixRun> finished = {}) {
    return {.kernel = kernel, .scenario = "a", .wanted = wanted, .finished = std::move(finished)};
}

TEST(MatrixTimeTest, NothingTellsBeforeTheFirstRun) {
    EXPECT_EQ(time_left({cell("6.1", 4)}, 1), std::nullopt);
    // Older verdicts have no duration.
    EXPECT_EQ(time_left({cell("6.1", 4, {run_of(0)})}, 1), std::nullopt);
    EXPECT_EQ(progress_of({cell("6.1", 4)}, 1), "0 of 4 runs done");
    EXPECT_EQ(
        announcement_of({cell("6.1", 4)}, 1),
        "1 cell, 4 runs, 0 of them done already; at once: 1; how long that takes the first runs will tell");
}

TEST(MatrixTimeTest, ACellTakesWhatItTookThenWhatItsKernelTookThenWhatAllTook) {
    const std::vector<Cell> cells{cell("6.1", 3, {run_of(10), run_of(20)}),      // one more: 15 s
                                  cell("6.1", 2),                                // 15 s each
                                  cell("7.2", 1, {run_of(30)}), cell("7.2", 1),  // 30 s
                                  cell("5.10", 1)};                              // 20 s
    EXPECT_DOUBLE_EQ(time_left(cells, 1)->count(), 15 + 30 + 30 + 20);
    EXPECT_EQ(progress_of(cells, 1), "3 of 8 runs done, about 2 min left");
    EXPECT_EQ(
        announcement_of(cells, 1),
        "5 cells, 8 runs, 3 of them done already; at once: 1; about 2 min, as the runs that are here took "
        "20 s on average");
}

TEST(MatrixTimeTest, GuestsRunSideBySideAndThisMachineAlone) {
    const std::vector<Cell> cells{cell("6.1", 5, {run_of(10)}), cell("host", 2, {run_of(30)})};
    EXPECT_DOUBLE_EQ(time_left(cells, 1)->count(), 40 + 30);
    EXPECT_DOUBLE_EQ(time_left(cells, 4)->count(), 10 + 30);
}

TEST(MatrixTimeTest, WhatIsGivenUpOrDoneTakesNoTime) {
    auto given_up = cell("6.1", 5);
    given_up.given_up = GivenUp{.reason = "no network"};
    const std::vector<Cell> cells{given_up, cell("6.1", 1, {run_of(10), run_of(10)})};
    EXPECT_DOUBLE_EQ(time_left(cells, 1)->count(), 0);
    EXPECT_EQ(progress_of(cells, 1), "1 of 6 runs done");
    EXPECT_EQ(announcement_of({cells[1]}, 1), "1 cell, 1 run, 1 of them done already; at once: 1");
}

TEST(MatrixTimeTest, ATimeHasTheUnitThatTells) {
    EXPECT_EQ(rough(Seconds(7.4)), "7 s");
    EXPECT_EQ(rough(Seconds(89)), "89 s");
    EXPECT_EQ(rough(Seconds(90)), "2 min");
    EXPECT_EQ(rough(Seconds(5399)), "90 min");
    EXPECT_EQ(rough(Seconds(5400)), "1.5 h");
    EXPECT_EQ(rough(Seconds(100000)), "27.8 h");
}

}  // namespace
}  // namespace reflux::run
