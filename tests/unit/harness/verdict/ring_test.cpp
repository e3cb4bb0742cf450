// A daemon whose I/O is io_uring's: the thread that has the ring holds the requests and sleeps, and a worker
// of the kernel's, named after it, does them.
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

constexpr int worker = 4240;  // the thread of the fixture that is blocked
constexpr int ring_thread = 4300;

// What was refluxd's only I/O thread becomes a worker of the ring's thread.
Evidence with_ring() {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    for (auto& snapshot : evidence.stall->snapshots) {
        for (auto& task : snapshot.tasks) {
            if (task.tid == worker) {
                task.name = "iou-wrk-4300";
            }
        }
        snapshot.tasks.push_back({.pid = worker,
                                  .tid = ring_thread,
                                  .name = "refluxd-io",
                                  .role = "daemon",
                                  .state = 'S',
                                  .voluntary_switches = 77,
                                  .stack = {"io_cqring_wait", "__do_sys_io_uring_enter"}});
    }
    evidence.daemon_io_tids = {ring_thread};
    evidence.stall->daemon.in_flight.at(0).tid = ring_thread;
    return evidence;
}

TaskSample& sample(Evidence& evidence, std::size_t snapshot, int tid) {
    auto& tasks = evidence.stall->snapshots.at(snapshot).tasks;
    return *std::ranges::find(tasks, tid, &TaskSample::tid);
}

TEST(Ring, ARequestIsInTheHandsOfTheWorkerThatIsBlocked) {
    const auto verdict = verdict::judge(with_ring());
    EXPECT_EQ(verdict.outcome, Outcome::deadlock) << ::testing::PrintToString(verdict.reasons);
    EXPECT_EQ(verdict.recursion, verdict::Recursion::upper);
}

TEST(Ring, AThreadThatWasWokenMayAnswer) {
    Evidence evidence = with_ring();
    ++sample(evidence, 2, ring_thread).voluntary_switches;
    EXPECT_EQ(verdict::judge(evidence).outcome, Outcome::inconclusive);
}

TEST(Ring, AThreadThatWaitsForSomethingElseMayAnswer) {
    Evidence evidence = with_ring();
    for (std::size_t i = 0; i < evidence.stall->snapshots.size(); ++i) {
        sample(evidence, i, ring_thread).stack = {"do_epoll_wait"};
    }
    EXPECT_EQ(verdict::judge(evidence).outcome, Outcome::inconclusive);
}

TEST(Ring, AnotherWorkerThatRunsMayHaveTheRequest) {
    Evidence evidence = with_ring();
    for (auto& snapshot : evidence.stall->snapshots) {
        TaskSample other = *std::ranges::find(snapshot.tasks, ring_thread, &TaskSample::tid);
        other.tid = 4301;
        other.name = "iou-wrk-4300";
        other.state = 'D';
        other.stack = {"blkdev_issue_flush", "ext4_sync_file"};
        snapshot.tasks.push_back(other);
    }
    EXPECT_EQ(verdict::judge(evidence).outcome, Outcome::inconclusive);
    for (auto& snapshot : evidence.stall->snapshots) {
        snapshot.tasks.back().state = 'S';
        snapshot.tasks.back().stack = {"io_wq_worker", "ret_from_fork"};
    }
    EXPECT_EQ(verdict::judge(evidence).outcome, Outcome::deadlock) << "one that is idle has none";
}

TEST(Ring, TheWorkerOfAnotherThreadIsNotItsOwn) {
    for (const char* const name : {"iou-wrk-4299", "iou-wrk-", "iou-wrk-4300x", "refluxd-io"}) {
        Evidence evidence = with_ring();
        for (std::size_t i = 0; i < evidence.stall->snapshots.size(); ++i) {
            sample(evidence, i, worker).name = name;
        }
        EXPECT_EQ(verdict::judge(evidence).outcome, Outcome::inconclusive) << name;
    }
}

TEST(LateThread, NoReclaimIsCertainBesideIt) {
    Evidence evidence = testing::fixture("completes");
    ASSERT_EQ(verdict::judge(evidence).recursion, verdict::Recursion::none);
    evidence.trace.weaker = {"1 thread of the daemon was followed late"};
    EXPECT_EQ(verdict::judge(evidence).recursion, verdict::Recursion::none) << "nobody entered a reclaim";
    evidence.trace.late = true;
    const auto verdict = verdict::judge(evidence);
    EXPECT_EQ(verdict.recursion, std::nullopt);
    EXPECT_THAT(verdict.reasons, Contains(HasSubstr("recursion unknown")));
    EXPECT_THAT(verdict.reasons, Contains(HasSubstr("followed late")));
}

TEST(LateThread, TakesNothingFromWhatWasSeen) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.trace.late = true;
    const auto verdict = verdict::judge(evidence);
    EXPECT_EQ(verdict.outcome, Outcome::deadlock);
    EXPECT_EQ(verdict.recursion, verdict::Recursion::upper);
}

}  // namespace
}  // namespace reflux
