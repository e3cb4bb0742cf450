// A daemon that does not tell what it holds: the recorded deadlock of tcmu-runner, and what takes its claim
// away.
#include "harness/verdict/verdict.h"
#include "tests/unit/harness/verdict/fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using evidence::Evidence;
using evidence::TaskSample;
using ::testing::Contains;
using ::testing::HasSubstr;
using verdict::Outcome;

constexpr int blocked_tid = 206;  // cmdproc-uio0
constexpr int idle_tid = 189;     // logger

Evidence recorded() {
    return testing::fixture("recorded-6.1-v1-tcmu-runner-xfs-deadlock");
}

TaskSample& last_sample(Evidence& evidence, int tid) {
    auto& tasks = evidence.stall->snapshots.back().tasks;
    return *std::ranges::find(tasks, tid, &TaskSample::tid);
}

// It sleeps by a timer and moves, as a housekeeper does.
void let_sleep(Evidence& evidence) {
    for (auto& snapshot : evidence.stall->snapshots) {
        const auto task = std::ranges::find(snapshot.tasks, idle_tid, &TaskSample::tid);
        task->stack = {"hrtimer_nanosleep", "common_nsleep", "__x64_sys_clock_nanosleep"};
        task->voluntary_switches += static_cast<std::uint64_t>(snapshot.at_s);
    }
}

TEST(ForeignDaemon, AllItsOtherThreadsSleptWhileRequestsWaited) {
    const auto verdict = verdict::judge(recorded());
    EXPECT_EQ(verdict.outcome, Outcome::deadlock);
}

TEST(ForeignDaemon, AThreadThatWokeMightAnswer) {
    Evidence evidence = recorded();
    last_sample(evidence, idle_tid).voluntary_switches += 1;
    const auto verdict = verdict::judge(evidence);
    EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
    EXPECT_THAT(verdict.reasons, Contains(HasSubstr("logger[189] is neither blocked likewise nor asleep")));
}

TEST(ForeignDaemon, AHousekeeperIsNoWorkerThatLives) {
    Evidence evidence = recorded();
    let_sleep(evidence);
    EXPECT_EQ(verdict::judge(evidence).outcome, Outcome::inconclusive);
}

// What is in flight below, at the first look behind that moment, is none.
void owe_nothing_after(Evidence& evidence, double at_s) {
    const auto point = std::ranges::find_if(
        evidence.progress, [&](const evidence::ProgressPoint& it) { return it.at_s > at_s; });
    ASSERT_NE(point, evidence.progress.end());
    ASSERT_LE(point->at_s, evidence.stall->detected_s);
    point->served_in_flight = 0;
}

// With dm-zoned between, what is in flight above may be its own.
TEST(ForeignDaemon, NothingWasOwedToTheDiskForAWhile) {
    Evidence evidence = recorded();
    ASSERT_NO_FATAL_FAILURE(owe_nothing_after(evidence, evidence.stall->snapshots.front().at_s));
    const auto verdict = verdict::judge(evidence);
    EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
    EXPECT_THAT(verdict.reasons,
                Contains(HasSubstr("no request is shown to have waited through the whole stall")));
}

TEST(ForeignDaemon, BetweenTheLastAnswerAndTheNextRequestNothingIsOwed) {
    Evidence evidence = recorded();
    ASSERT_LT(evidence.stall->last_completion_s + 1, evidence.stall->snapshots.front().at_s);
    ASSERT_NO_FATAL_FAILURE(owe_nothing_after(evidence, evidence.stall->last_completion_s));
    EXPECT_EQ(verdict::judge(evidence).outcome, Outcome::deadlock);
}

TEST(ForeignDaemon, ItsBlockedThreadMovesAndNothingIsClaimed) {
    Evidence evidence = recorded();
    last_sample(evidence, blocked_tid).voluntary_switches += 1;
    EXPECT_NE(verdict::judge(evidence).outcome, Outcome::deadlock);
}

}  // namespace
}  // namespace reflux
