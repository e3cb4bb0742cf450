#include "harness/verdict/tally.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::verdict {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<BatchRun> runs(const std::string& scenario, const std::string& outcome, unsigned count,
                           const Place& place = {.kernel = "", .cgroup = "v1"}, bool foreseen = true) {
    return std::vector<BatchRun>(
        count, {.scenario = scenario, .place = place, .outcome = outcome, .foreseen = foreseen});
}

std::vector<Tally> tally_of(const std::vector<std::vector<BatchRun>>& parts) {
    std::vector<BatchRun> all;
    for (const auto& part : parts) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return tally(all);
}

constexpr auto legend = "(in parentheses: 95% bounds";

TEST(TallyTest, CountsByScenarioAndPlace) {
    const Place v1{.kernel = "6.1", .cgroup = "v1"};
    const Place v2{.kernel = "6.1", .cgroup = "v2"};
    const auto batch =
        tally_of({runs("b", "slow", 1, v2), runs("a", "deadlock", 2, v1), runs("b", "slow", 1, v1),
                  runs("a", "livelock", 1, v1), runs("a", "harness_error", 3, v1, false)});
    ASSERT_EQ(batch.size(), 3U);
    EXPECT_EQ(batch[0].place, v2);
    EXPECT_EQ(batch[1].scenario, "a");
    EXPECT_EQ(batch[1].runs, 3U);
    EXPECT_EQ(batch[1].stalls(), 3U);
    EXPECT_EQ(batch[1].of(Outcome::deadlock), 2U);
    EXPECT_EQ(batch[1].of(Outcome::completes), 0U);
    EXPECT_EQ(text_of(batch[1].made), "2 deadlock, 1 livelock");
    EXPECT_EQ(text_of(batch[1].not_made), "3 harness_error");
    EXPECT_EQ(name_of(batch[1], batch), "6.1 v1, a");
    EXPECT_EQ(name_of(batch[1], {batch[1]}), "a");
}

// A guest that is lost early has told nothing of itself.
TEST(TallyTest, ARunThatEndedTooEarlyCountsWithTheOthersOfItsKernel) {
    const Place unknown{.kernel = "6.1", .cgroup = ""};
    const Place v1{.kernel = "6.1", .cgroup = "v1"};
    const Place v2{.kernel = "6.1", .cgroup = "v2"};
    const auto batch =
        tally_of({runs("b", "slow", 1, v2), runs("a", "inconclusive", 1, unknown), runs("a", "slow", 1, v1),
                  runs("c", "unsupported", 1, unknown), runs("c", "slow", 1, {.kernel = "7.2"})});
    ASSERT_EQ(batch.size(), 4U);
    EXPECT_EQ(batch[1].place, v1);
    EXPECT_EQ(batch[1].runs, 2U);
    EXPECT_EQ(batch[2].scenario, "c");
    EXPECT_EQ(batch[2].place, v2);
    EXPECT_EQ(batch[3].place.cgroup, "");
}

TEST(TallyTest, TroubleIsAStallOrWhatIsForeseenButCompletion) {
    const auto troubled = [](const std::string& outcome, bool foreseen) {
        return is_troubled({.scenario = "a", .outcome = outcome, .foreseen = foreseen});
    };
    for (const auto* stall : {"deadlock", "livelock"}) {
        EXPECT_TRUE(troubled(stall, false));
        EXPECT_TRUE(troubled(stall, true));
    }
    for (const auto* other : {"slow", "daemon_killed", "io_error"}) {
        EXPECT_FALSE(troubled(other, false));
        EXPECT_TRUE(troubled(other, true));
    }
    for (const auto* nothing : {"completes", "inconclusive", "unsupported", "harness_error"}) {
        EXPECT_FALSE(troubled(nothing, true));
    }
}

TEST(CountLinesTest, EveryOutcomeAndTheStallsHaveTheirBounds) {
    EXPECT_THAT(count_lines(tally_of({runs("a", "deadlock", 20), runs("b", "completes", 20)})),
                ElementsAre("a: 20 deadlock of 20 (at least 86%); stalls 20 of 20 (at least 86%)",
                            "b: 20 completes of 20 (at least 86%); stalls 0 of 20 (at most 14%)",
                            StartsWith(legend)));
    EXPECT_THAT(
        count_lines(tally_of({runs("a", "livelock", 6), runs("a", "deadlock", 14)})),
        ElementsAre("a: 14 deadlock of 20 (45% to 89%), 6 livelock of 20 (11% to 55%); stalls 20 of 20 (at "
                    "least 86%)",
                    StartsWith(legend)));
}

TEST(CountLinesTest, WhatIsInconclusiveMayHaveStalledAndWhatWasNotMadeIsNoRun) {
    EXPECT_THAT(
        count_lines(tally_of({runs("a", "completes", 18), runs("a", "inconclusive", 2)})).front(),
        "a: 18 completes of 20 (68% to 99%), 2 inconclusive of 20 (1% to 32%); stalls 0 to 2 of 20 (at "
        "most 29%)");
    EXPECT_THAT(
        count_lines(tally_of({runs("a", "completes", 1), runs("a", "harness_error", 2)})).front(),
        "a: 1 completes of 1 (at least 5%); stalls 0 of 1 (at most 95%); not counted: 2 harness_error");
}

TEST(CountLinesTest, NothingIsToldOfWhatWasNotRepeated) {
    EXPECT_THAT(count_lines(tally_of({runs("a", "deadlock", 1), runs("b", "unsupported", 2)})), IsEmpty());
    EXPECT_THAT(count_lines({}), IsEmpty());
}

}  // namespace
}  // namespace reflux::verdict
