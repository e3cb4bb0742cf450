// When I/O is said to have resumed and gone on: never by one completion, which a bounded wait lets through.
#include "harness/run/resumption.h"

#include <functional>
#include <vector>

#include <gtest/gtest.h>

namespace reflux::run {
namespace {

using evidence::ProgressPoint;

constexpr double tick = 0.25;
constexpr double begin = 10;

// A rung that begins at 10 s with 500 I/Os done, and one point a tick from then on.
class Counters {
  public:
    Counters() { add(0); }
    // `ticks` points with `ios` more I/Os in each.
    Counters& then(int ticks, std::uint64_t ios) {
        for (int i = 0; i < ticks; ++i) {
            add(ios);
        }
        return *this;
    }
    Counters& change(const std::function<void(ProgressPoint&)>& how) {
        how(points_.back());
        return *this;
    }
    [[nodiscard]] Resumption judge(bool workload_gone = false) const {
        return judge_resumption(points_, {.begin_s = begin,
                                          .rung_time = Seconds(2),
                                          .healthy = {.over_s = 10, .ios = 100, .requests = 1000},
                                          .workload_gone = workload_gone});
    }

  private:
    void add(std::uint64_t ios) {
        completed_ += ios;
        points_.push_back({.at_s = begin + tick * static_cast<double>(points_.size()),
                           .device_completed = completed_,
                           .device_in_flight = 4});
    }
    std::uint64_t completed_ = 500;
    std::vector<ProgressPoint> points_;
};

TEST(Resumption, WhatGoesOnHasResumedWithItsFirstCompletion) {
    const auto found = Counters().then(3, 0).then(9, 25).judge();
    EXPECT_TRUE(found.decided);
    EXPECT_TRUE(found.resumed);
    EXPECT_DOUBLE_EQ(found.first_s, begin + 4 * tick);
}

TEST(Resumption, IsNotDecidedBeforeItHasGoneOnForTheRungsTime) {
    EXPECT_FALSE(Counters().then(3, 0).then(8, 25).judge().decided);
}

TEST(Resumption, OneCompletionIsNone) {
    const auto found = Counters().then(1, 0).then(1, 1).then(12, 0).judge();
    EXPECT_TRUE(found.decided);
    EXPECT_FALSE(found.resumed);
}

// balance_dirty_pages lets one request through every few pauses of 200 ms.
TEST(Resumption, ATrickleIsNoneWhereItWasATorrent) {
    EXPECT_FALSE(Counters().then(20, 1).judge().resumed) << "4 I/Os a second where there were 100";
    EXPECT_TRUE(Counters().then(20, 3).judge().resumed) << "12 I/Os a second";
}

TEST(Resumption, FewBurstsAreNone) {
    Counters bursts;
    for (int i = 0; i < 8; ++i) {
        bursts.then(1, 100).then(2, 0);
    }
    EXPECT_FALSE(bursts.judge().resumed);
}

TEST(Resumption, AfterAStrayCompletionTheRealOneCounts) {
    const auto found = Counters().then(1, 1).then(5, 0).then(9, 30).judge();
    EXPECT_TRUE(found.resumed);
    EXPECT_DOUBLE_EQ(found.first_s, begin + 7 * tick);
}

TEST(Resumption, WhatBeginsAfterTheRungsTimeIsNotItsDoing) {
    const auto found = Counters().then(8, 0).then(12, 30).judge();
    EXPECT_TRUE(found.decided);
    EXPECT_FALSE(found.resumed);
}

TEST(Resumption, NothingIsDecidedByTheEndOfTheRungsTime) {
    EXPECT_FALSE(Counters().then(7, 0).judge().decided);
    EXPECT_TRUE(Counters().then(8, 0).judge().decided);
}

TEST(Resumption, WithoutAWorkloadWhatIsLeftNeedOnlyEnd) {
    const auto ends = [](ProgressPoint& point) {
        point.device_in_flight = 0;
        point.fuse_waiting = 0;
    };
    const auto owed = [](ProgressPoint& point) {
        point.device_in_flight = 0;
        point.fuse_waiting = 1;
    };
    const auto drained = Counters().then(1, 4).then(8, 0);
    EXPECT_TRUE(Counters(drained).change(ends).judge(true).resumed);
    EXPECT_FALSE(Counters(drained).change(ends).judge(false).resumed) << "a workload that lives goes on";
    EXPECT_FALSE(Counters(drained).change(owed).judge(true).resumed) << "the daemon owes a request";
    EXPECT_FALSE(Counters(drained).judge(true).resumed) << "I/O is in flight";
}

TEST(Resumption, RequestsOfTheDaemonCountWhereOneIoIsManyOfThem) {
    const auto with_requests = [](std::uint64_t in_a_tick) {
        Counters counters;
        std::uint64_t completed = 7;
        counters.change([&](ProgressPoint& point) { point.daemon_completed = completed; });
        for (int i = 0; i < 16; ++i) {
            completed += in_a_tick;
            counters.then(1, 0).change([&](ProgressPoint& point) {
                if (i % 5 != 2) {  // it does not answer each time
                    point.daemon_completed = completed;
                }
            });
        }
        return counters.judge();
    };
    EXPECT_TRUE(with_requests(50).resumed) << "200 a second where there were 1000";
    EXPECT_FALSE(with_requests(5).resumed) << "20 a second";
}

TEST(CompletionRate, IsTakenBetweenTheLastPointsAtOrBeforeItsEnds) {
    const std::vector<ProgressPoint> points{
        {.at_s = 0, .device_completed = 0, .daemon_completed = 10},
        {.at_s = 1, .device_completed = 100, .daemon_completed = 30},
        {.at_s = 2, .device_completed = 300},
        {.at_s = 3, .device_completed = 300, .daemon_completed = 70},
    };
    const auto whole = completion_rate(points, 0, 4);
    EXPECT_DOUBLE_EQ(whole.over_s, 4);
    EXPECT_DOUBLE_EQ(whole.ios, 75);
    EXPECT_DOUBLE_EQ(whole.requests.value_or(-1), 15);
    const auto part = completion_rate(points, 1.5, 2.5);
    EXPECT_DOUBLE_EQ(part.ios, 200);
    EXPECT_DOUBLE_EQ(part.requests.value_or(-1), 0) << "it did not answer at 2 s";
    EXPECT_DOUBLE_EQ(completion_rate(points, 2, 4).ios, 0) << "a stall";
    EXPECT_EQ(completion_rate(points, 4, 4).over_s, 0);
    EXPECT_EQ(completion_rate({}, 0, 4).over_s, 0);
    EXPECT_FALSE(completion_rate(std::vector<ProgressPoint>{{}, {.at_s = 1}}, 0, 1).requests);
}

// A counter that could not be read is 0 in its point: no rate of its own.
TEST(CompletionRate, IsNeverNegative) {
    const std::vector<ProgressPoint> points{{.at_s = 0, .device_completed = 100}, {.at_s = 1}};
    EXPECT_EQ(completion_rate(points, 0, 1).ios, 0);
}

}  // namespace
}  // namespace reflux::run
