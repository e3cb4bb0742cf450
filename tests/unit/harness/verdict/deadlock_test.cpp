// A deadlock is claimed only while every fact of its cycle stands: each test takes one away.
#include "harness/verdict/verdict.h"
#include "tests/unit/harness/verdict/fixture.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using evidence::Evidence;
using evidence::TaskSample;
using ::testing::Contains;
using ::testing::HasSubstr;
using verdict::Outcome;

constexpr int daemon_tid = 4240;

// Applies a change to the blocked daemon thread in one snapshot.
void change_thread(Evidence& evidence, std::size_t snapshot, const std::function<void(TaskSample&)>& change) {
    auto& tasks = evidence.stall->snapshots.at(snapshot).tasks;
    const auto found = std::ranges::find(tasks, daemon_tid, &TaskSample::tid);
    ASSERT_NE(found, tasks.end());
    change(*found);
}

void change_thread_everywhere(Evidence& evidence, const std::function<void(TaskSample&)>& change) {
    for (std::size_t i = 0; i < evidence.stall->snapshots.size(); ++i) {
        change_thread(evidence, i, change);
    }
}

void set_last_event(Evidence& evidence, const std::function<void(evidence::TraceEvent&)>& change) {
    change(evidence.trace.last_events.at(0));
    change(evidence.trace.reclaims.at(1).inside.back());
}

struct Mutation {
    std::string name;
    std::function<void(Evidence&)> apply;
};

std::ostream& operator<<(std::ostream& out, const Mutation& mutation) {
    return out << mutation.name;
}

class WithoutOneFact : public ::testing::TestWithParam<Mutation> {};

TEST_P(WithoutOneFact, IsNoDeadlock) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    ASSERT_EQ(verdict::judge(evidence).outcome, Outcome::deadlock);
    GetParam().apply(evidence);
    const verdict::Verdict verdict = verdict::judge(evidence);
    EXPECT_NE(verdict.outcome, Outcome::deadlock) << ::testing::PrintToString(verdict.cycle);
    EXPECT_TRUE(verdict.cycle.empty());
    EXPECT_FALSE(verdict.reasons.empty());
}

const std::vector<Mutation> mutations = {
    {"ContextSwitchAdvanced",
     [](Evidence& it) { change_thread(it, 2, [](TaskSample& task) { ++task.voluntary_switches; }); }},
    {"InvoluntarySwitchAdvanced",
     [](Evidence& it) { change_thread(it, 2, [](TaskSample& task) { ++task.involuntary_switches; }); }},
    {"NotInDAtTheEnd",
     [](Evidence& it) { change_thread(it, 2, [](TaskSample& task) { task.state = 'S'; }); }},
    {"NotInDInTheMiddle",
     [](Evidence& it) { change_thread(it, 1, [](TaskSample& task) { task.state = 'R'; }); }},
    {"OtherStackInTheMiddle",
     [](Evidence& it) {
         change_thread(it, 1, [](TaskSample& task) { task.stack.erase(task.stack.begin()); });
     }},
    {"NoStack",
     [](Evidence& it) { change_thread_everywhere(it, [](TaskSample& task) { task.stack.clear(); }); }},
    {"UnknownInnermostFunction",
     [](Evidence& it) {
         change_thread_everywhere(
             it, [](TaskSample& task) { task.stack.insert(task.stack.begin(), "some_new_function"); });
     }},
    {"BoundedWait",
     [](Evidence& it) {
         change_thread_everywhere(it, [](TaskSample& task) {
             task.stack.erase(task.stack.begin(), task.stack.begin() + 2);
             task.stack.insert(task.stack.begin(), "reclaim_throttle");
         });
     }},
    {"NotInsideReclaim",
     [](Evidence& it) {
         change_thread_everywhere(
             it, [](TaskSample& task) { std::erase(task.stack, "try_to_free_mem_cgroup_pages"); });
     }},
    {"OneSnapshot", [](Evidence& it) { it.stall->snapshots.resize(1); }},
    {"SnapshotsAtOneMoment",
     [](Evidence& it) {
         for (auto& snapshot : it.stall->snapshots) {
             snapshot.at_s = 9.0;
         }
     }},
    {"OtherDevice",
     [](Evidence& it) { set_last_event(it, [](evidence::TraceEvent& event) { event.device = "7:0"; }); }},
    {"UpperDeviceIsAnother", [](Evidence& it) { it.devices.upper_device = "7:2"; }},
    {"UpperDeviceUnknown", [](Evidence& it) { it.devices.upper_device.clear(); }},
    {"LastEventIsNoWait",
     [](Evidence& it) {
         set_last_event(it, [](evidence::TraceEvent& event) { event.event = "ext4_evict_inode"; });
     }},
    {"ReclaimEndedAndNotFreedByAbort",
     [](Evidence& it) {
         it.trace.reclaims.at(1).end_s = 8.3;
         it.relief.clear();
     }},
    {"NoTraceAndNotFreedByAbort",
     [](Evidence& it) {
         it.trace = {};
         it.relief.back().freed_tids.clear();
     }},
    {"NoTraceAndAnEarlierRungReleased",
     [](Evidence& it) {
         it.trace = {};
         it.relief.at(1).released = true;
     }},
    {"NothingIsOwed",
     [](Evidence& it) {
         it.stall->daemon.in_flight.clear();
         for (auto& point : it.progress) {
             point.fuse_waiting = 0;
             point.device_in_flight = 0;
         }
     }},
    {"AnotherThreadHoldsARequest",
     [](Evidence& it) {
         it.daemon_io_tids.clear();
         it.stall->daemon.in_flight.at(0).tid = 4241;
     }},
    {"TheRequestIsQueuedAndThreadsAreUnknown",
     [](Evidence& it) {
         it.daemon_io_tids.clear();
         it.stall->daemon.in_flight.at(0).tid = 0;
     }},
    {"DaemonDoesNotAnswerAndThreadsAreUnknown",
     [](Evidence& it) {
         it.daemon_io_tids.clear();
         it.stall->daemon = {};
     }},
    {"AnotherThreadTakesRequests",
     [](Evidence& it) {
         it.daemon_io_tids.push_back(4241);
         it.progress.back().fuse_waiting = 9;
         for (auto& point : it.progress) {
             point.fuse_waiting = 9;
         }
     }},
    {"AnUnsampledThreadTakesRequests", [](Evidence& it) { it.daemon_io_tids.push_back(4999); }},
    {"NoDaemonInTheStack", [](Evidence& it) { it.devices.front_end = "loop"; }},
    {"NoStall", [](Evidence& it) { it.stall.reset(); }},
    {"ItIsNotTheDaemon",
     [](Evidence& it) {
         change_thread_everywhere(it, [](TaskSample& task) { task.role = "workload"; });
         it.daemon_tids.clear();
         it.daemon_io_tids.clear();
     }},
};
INSTANTIATE_TEST_SUITE_P(Each, WithoutOneFact, ::testing::ValuesIn(mutations),
                         [](const auto& param) { return param.param.name; });

// What may be missing without harm, for another fact stands in for it.
TEST(Deadlock, NeedsNoControlSocketWhenTheOnlyIoThreadIsBlocked) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.stall->daemon = {};
    EXPECT_EQ(verdict::judge(evidence).outcome, Outcome::deadlock);
}

TEST(Deadlock, NeedsNoThreadRolesWhenEveryOwedRequestIsInTheBlockedThread) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.daemon_io_tids.clear();
    EXPECT_EQ(verdict::judge(evidence).outcome, Outcome::deadlock);
}

TEST(Deadlock, ByAbortShowsNoRecursionIntoTheUpperFilesystem) {
    const verdict::Verdict verdict =
        verdict::judge(testing::fixture("deadlock-without-trace-freed-by-abort"));
    EXPECT_EQ(verdict.recursion, verdict::Recursion::reclaim);
    EXPECT_THAT(verdict.cycle, Contains(HasSubstr("freed only by aborting the connection")));
}

TEST(Deadlock, IsNotClaimedByAbortAgainstATraceThatNamesAnotherDevice) {
    const Evidence evidence = testing::fixture("lower-device-wait");
    ASSERT_TRUE(evidence.relief.back().released);
    ASSERT_THAT(evidence.relief.back().freed_tids, Contains(daemon_tid));
    EXPECT_EQ(verdict::judge(evidence).outcome, Outcome::inconclusive);
}

TEST(Deadlock, OverALockOfTheUpperFilesystemNeedsItsHolderInIo) {
    Evidence evidence = testing::fixture("deadlock-5.10-eviction");
    for (auto& snapshot : evidence.stall->snapshots) {
        std::erase_if(snapshot.tasks, [](const TaskSample& task) { return task.role == "upper"; });
    }
    const verdict::Verdict verdict = verdict::judge(evidence);
    EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
    EXPECT_THAT(verdict.reasons,
                Contains(HasSubstr("no task of the upper filesystem is seen waiting for I/O")));
}

TEST(Deadlock, ThreadBehindTheInodeLockMustNotMove) {
    Evidence evidence = testing::fixture("deadlock-threads-inode-lock");
    for (auto& task : evidence.stall->snapshots.back().tasks) {
        task.voluntary_switches += task.tid == 4243 ? 1U : 0U;
    }
    EXPECT_NE(verdict::judge(evidence).outcome, Outcome::deadlock);
}

TEST(Deadlock, ThreadsBehindTheInodeLockFollowTheCycle) {
    const verdict::Verdict verdict = verdict::judge(testing::fixture("deadlock-threads-inode-lock"));
    ASSERT_EQ(verdict.cycle.size(), 6U);
    EXPECT_THAT(verdict.cycle[0], HasSubstr("refluxd-io/0[4242] -> upper device 7:1"));
    EXPECT_THAT(verdict.cycle[3], HasSubstr("request 812 -> refluxd-io/0[4242]"));
    EXPECT_THAT(verdict.cycle[4],
                HasSubstr("refluxd-io/1[4243] -> refluxd-io/0[4242]: it waits at the lock of "
                          "ext4_buffered_write_iter"));
    EXPECT_THAT(verdict.cycle[5], HasSubstr("refluxd-io/2[4244] -> refluxd-io/0[4242]"));
}

TEST(Deadlock, NeedsEveryRequestThatIsTakenInTheHandsOfABlockedThread) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.stall->daemon.in_flight.at(0).tid = 4241;  // takes none by its role, yet holds one
    EXPECT_NE(verdict::judge(evidence).outcome, Outcome::deadlock);
}

TEST(Deadlock, HoldsWithARequestThatOnlyBlockedThreadsCanTake) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    auto& requests = evidence.stall->daemon.in_flight;
    requests.push_back(requests.at(0));
    requests.back().tid = 0;
    EXPECT_EQ(verdict::judge(evidence).outcome, Outcome::deadlock);
}

TEST(Deadlock, EveryEdgeOfTheCycleNamesItsFact) {
    const verdict::Verdict verdict = verdict::judge(testing::fixture("deadlock-v1-writeback"));
    ASSERT_EQ(verdict.cycle.size(), 4U);
    EXPECT_THAT(verdict.cycle[0], HasSubstr("refluxd[4240] -> upper device 7:1"));
    EXPECT_THAT(verdict.cycle[0], HasSubstr("folio_wait_writeback of 7:1 (bdi 7:1: ino=14 index=8)"));
    EXPECT_THAT(verdict.cycle[0], HasSubstr("GFP_HIGHUSER_MOVABLE"));
    EXPECT_THAT(verdict.cycle[1], HasSubstr("upper device 7:1 -> connection 58"));
    EXPECT_THAT(verdict.cycle[1], HasSubstr("1 waiting"));
    EXPECT_THAT(verdict.cycle[2],
                HasSubstr("connection 58 -> request 812: write of 4096 bytes at 40960, 8.2 s old"));
    EXPECT_THAT(verdict.cycle[3], HasSubstr("request 812 -> refluxd[4240]: "));
    EXPECT_THAT(verdict.cycle[3], HasSubstr("all daemon threads that take requests are blocked"));
    ASSERT_TRUE(verdict.proof);
    EXPECT_EQ(verdict.proof->tid, daemon_tid);
    EXPECT_EQ(verdict.proof->gfp_flags, "GFP_HIGHUSER_MOVABLE");
    EXPECT_THAT(verdict.proof->deciding, Contains("folio_wait_writeback"));
    EXPECT_THAT(verdict.proof->deciding, Contains("try_to_free_mem_cgroup_pages"));
    ASSERT_TRUE(verdict.relief);
    EXPECT_EQ(verdict.relief->rung, "abort");
}

// Out of a bounded wait into an unbounded one: it counts when it lasted half of the time, and not when it has
// just begun.
TEST(Deadlock, MayBeginWithinTheStallButNotAtItsEnd) {
    auto evidence = testing::fixture("recorded-6.18-v1-fuse-ext4-wait-begins-late");
    EXPECT_EQ(verdict::judge(evidence).outcome, verdict::Outcome::deadlock);
    auto& snapshots = evidence.stall->snapshots;
    ASSERT_GE(snapshots.size(), 3U);
    for (std::size_t i = 1; i + 2 < snapshots.size(); ++i) {
        snapshots[i].tasks = snapshots[0].tasks;
    }
    const double lasted = snapshots.back().at_s - snapshots[snapshots.size() - 2].at_s;
    ASSERT_LT(lasted, (snapshots.back().at_s - snapshots.front().at_s) / 2);
    EXPECT_EQ(verdict::judge(evidence).outcome, verdict::Outcome::inconclusive);
}

}  // namespace
}  // namespace reflux
