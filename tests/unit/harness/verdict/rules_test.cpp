// Single rules of judge(): their order, the expectation, relief, recursion, livelock.
#include "harness/verdict/verdict.h"
#include "harness/verdict/words.h"
#include "tests/unit/harness/verdict/fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using evidence::Evidence;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using verdict::judge;
using verdict::Outcome;

TEST(Order, HarnessErrorThenUnsupportedThenDaemonExitThenStall) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.workload.errors = 5;
    EXPECT_EQ(judge(evidence).outcome, Outcome::deadlock);
    evidence.daemon_exit =
        evidence::DaemonExit{.unexpected = true, .at_s = 8.0, .signal = 9, .last_words = {}};
    EXPECT_EQ(judge(evidence).outcome, Outcome::daemon_killed);
    evidence.mitigations = {{.name = "io_flusher", .applied = false, .detail = ""}};
    EXPECT_EQ(judge(evidence).outcome, Outcome::unsupported);
    evidence.harness_error = "losetup: no";
    EXPECT_EQ(judge(evidence).outcome, Outcome::harness_error);
}

TEST(Order, ExpectedExitOfTheDaemonDecidesNothing) {
    Evidence evidence = testing::fixture("completes");
    evidence.daemon_exit = evidence::DaemonExit{.unexpected = false, .at_s = 15, .code = 0, .last_words = {}};
    EXPECT_EQ(judge(evidence).outcome, Outcome::completes);
}

evidence::Guest panicked() {
    return {.accelerator = "tcg",
            .kernel = "6.1",
            .boot_s = 7,
            .end = "panicked",
            .detail = "the kernel panicked"};
}

TEST(Guest, LostBeforeAStallDecidesNothing) {
    Evidence evidence = testing::fixture("completes");
    evidence.guest = panicked();
    const auto verdict = judge(evidence);
    EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
    EXPECT_EQ(verdict.reasons.at(0), "the kernel panicked");
    EXPECT_THAT(verdict.reasons.at(1), HasSubstr("I/Os of the upper device done"));
    evidence.progress.clear();
    EXPECT_THAT(judge(evidence).reasons, Contains("it was lost before the workload began"));
}

TEST(Guest, LostAfterAStallTakesNothingFromIt) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.guest = panicked();
    const auto verdict = judge(evidence);
    EXPECT_EQ(verdict.outcome, Outcome::deadlock);
    EXPECT_THAT(verdict.reasons, Contains("after the stall was found, the kernel panicked"));
}

TEST(Guest, ThatEndedDecidesAsTheMachineItself) {
    Evidence evidence = testing::fixture("completes");
    evidence.guest = panicked();
    evidence.guest->end = "ended";
    EXPECT_EQ(judge(evidence).outcome, Outcome::completes);
}

TEST(Guest, StretchedTimesAreTold) {
    Evidence evidence = testing::fixture("completes");
    EXPECT_THAT(judge(evidence).reasons, Each(Not(HasSubstr("stretched"))));
    evidence.limits.time_factor = 3.5;
    EXPECT_THAT(judge(evidence).reasons, Contains(HasSubstr("times are stretched by 3.5")));
}

TEST(Expectation, IsMetByAnyOfTheWords) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    EXPECT_TRUE(judge(evidence).met);
    evidence.expected.outcome = {"completes", "slow"};
    EXPECT_FALSE(judge(evidence).met);
    evidence.expected.outcome.clear();
    EXPECT_TRUE(judge(evidence).met);
    evidence.expected.recursion = {"none", "reclaim"};
    EXPECT_FALSE(judge(evidence).met);
}

TEST(Expectation, OfARecursionIsNotMetByAnUnknownOne) {
    Evidence evidence = testing::fixture("completes-without-trace");
    evidence.expected.recursion = {"none", "reclaim", "upper"};
    EXPECT_FALSE(judge(evidence).met);
}

TEST(Expectation, IsNotMetByARunThatWasNotMade) {
    Evidence evidence = testing::fixture("unsupported-machine");
    evidence.expected = {};
    EXPECT_FALSE(judge(evidence).met);
    evidence.expected.outcome = {"completes"};
    EXPECT_FALSE(judge(evidence).met);
    evidence.expected.outcome = {"unsupported"};
    EXPECT_TRUE(judge(evidence).met);
}

TEST(Relief, IsTheFirstRungThatReleased) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.relief.at(2).released = true;
    evidence.relief.at(2).after_s = 1.5;
    const auto relief = judge(evidence).relief;
    ASSERT_TRUE(relief);
    EXPECT_EQ(relief->rung, "drop_caches");
    EXPECT_EQ(relief->after_s, 1.5);
    EXPECT_THAT(judge(evidence).reasons,
                Contains("relieved by drop_caches after 1.5 s; in vain before it: wait, raise_limit"));
}

TEST(Relief, SaysHowFastItWentAndWhatTheRungStoodOn) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.relief = {{.rung = "raise_limit", .applied = true, .remains = "the limit stays raised"},
                       {.rung = "drop_caches", .applied = false},
                       {.rung = "kill_workload",
                        .applied = true,
                        .released = true,
                        .after_s = 0.5,
                        .before = {.over_s = 8, .ios = 0, .requests = std::nullopt},
                        .during = {.over_s = 2.5, .ios = 812.25, .requests = std::nullopt}}};
    EXPECT_THAT(judge(evidence).reasons,
                Contains("relieved by kill_workload after 0.5 s (0.0 I/Os a second before it, 812.2 in the "
                         "2.5 s under it); in vain before it: raise_limit (not undone), drop_caches (not "
                         "applied)"));
}

TEST(Relief, IsNoneWhenNoRungReleased) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.relief.back().released = false;
    const verdict::Verdict verdict = judge(evidence);
    ASSERT_TRUE(verdict.relief);
    EXPECT_EQ(verdict.relief->rung, "none");
    EXPECT_FALSE(verdict.relief->after_s);
    EXPECT_THAT(verdict.reasons,
                Contains("not relieved: in vain wait, raise_limit, drop_caches, kill_workload, abort"));
}

TEST(Relief, NoRungThatCouldBeAppliedIsNoReliefInVain) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.relief = {{.rung = "raise_limit", .applied = false, .detail = "there is no limit to raise"}};
    EXPECT_THAT(judge(evidence).reasons, Contains("no relief was tried: raise_limit (not applied)"));
}

TEST(Relief, IsAbsentWithoutALadder) {
    EXPECT_FALSE(judge(testing::fixture("completes")).relief);
}

evidence::Verification acknowledged() {
    return {.done = true,
            .files_checked = 96,
            .bytes_checked = 4096,
            .mode = "acknowledged",
            .how = "after a fresh mount"};
}

TEST(AcknowledgedData, ThatAreThereAreSaidToBe) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.verification = acknowledged();
    const auto verdict = judge(evidence);
    EXPECT_EQ(verdict.outcome, Outcome::deadlock);
    EXPECT_THAT(verdict.reasons,
                Contains("96 files and names acknowledged by fsync were read back after the relief "
                         "(after a fresh mount): all there"));
}

TEST(AcknowledgedData, ThatAreLostAreReportedBesideTheStall) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.relief.back().released = false;
    evidence.verification = acknowledged();
    evidence.verification.files_wrong = 2;
    evidence.verification.first_difference = "w00/large: is missing";
    const auto verdict = judge(evidence);
    EXPECT_EQ(verdict.outcome, Outcome::deadlock);
    EXPECT_THAT(
        verdict.reasons,
        Contains(
            "LOST: 2 of 96 files and names acknowledged by fsync are missing or wrong after the stall was "
            "broken up (after a fresh mount); first: w00/large: is missing"));
}

TEST(AcknowledgedData, ThatWereNotReadSayWhy) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.verification = {.skipped_reason = "mount: EIO", .mode = "acknowledged"};
    EXPECT_THAT(judge(evidence).reasons,
                Contains("acknowledged data were not read back after the relief: mount: EIO"));
    evidence.verification = acknowledged();
    evidence.verification.files_checked = 0;
    EXPECT_THAT(judge(evidence).reasons, Contains(HasSubstr("nothing to read back after the relief")));
}

// Runs before this was recorded.
TEST(AcknowledgedData, WithoutAModeAreNotSpokenOf) {
    EXPECT_THAT(judge(testing::fixture("recorded-6.1-v1-fuse-ext4-deadlock")).reasons,
                Not(Contains(HasSubstr("acknowledged"))));
}

TEST(Livelock, IsNotCalledWhenTheDaemonCompletedRequestsInTheWindow) {
    Evidence evidence = testing::fixture("livelock-noio-reclaim-throttle");
    ASSERT_EQ(verdict::judge(evidence).outcome, Outcome::livelock);
    const double late = evidence.stall->detected_s - evidence.limits.stall_window_s / 2;
    evidence.progress = {{.at_s = evidence.stall->last_completion_s, .daemon_completed = 100},
                         {.at_s = late, .daemon_completed = 103}};
    const auto verdict = verdict::judge(evidence);
    EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
    EXPECT_THAT(verdict.reasons.at(0), ::testing::HasSubstr(fmt::format("from {:.1f} s", late)));
}

TEST(Livelock, NeedsMotion) {
    Evidence evidence = testing::fixture("livelock-dirty-throttle");
    for (auto& snapshot : evidence.stall->snapshots) {
        snapshot.tasks.at(0) = evidence.stall->snapshots.at(0).tasks.at(0);
    }
    EXPECT_EQ(judge(evidence).outcome, Outcome::inconclusive);
}

TEST(Livelock, IsNotShownByABusyControlThread) {
    Evidence evidence = testing::fixture("stalled-without-trace");
    for (std::size_t i = 0; i < evidence.stall->snapshots.size(); ++i) {
        auto& control = evidence.stall->snapshots[i].tasks.at(1);
        control.state = 'R';
        control.stack.clear();
        control.cpu_ticks = 100 * i;
    }
    EXPECT_EQ(judge(evidence).outcome, Outcome::inconclusive);
}

TEST(Livelock, IsShownByARunningIoThread) {
    Evidence evidence = testing::fixture("livelock-dirty-throttle");
    for (std::size_t i = 0; i < evidence.stall->snapshots.size(); ++i) {
        auto& thread = evidence.stall->snapshots[i].tasks.at(0);
        thread.state = 'R';
        thread.stack.clear();
        thread.cpu_ticks = 350 * i;
    }
    const verdict::Verdict verdict = judge(evidence);
    EXPECT_EQ(verdict.outcome, Outcome::livelock);
    EXPECT_THAT(verdict.reasons.front(), HasSubstr("700 CPU ticks"));
}

TEST(Livelock, IsNotShownByAnUnboundedWaitThatMoves) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.stall->snapshots.back().tasks.at(0).voluntary_switches += 500;
    const verdict::Verdict verdict = judge(evidence);
    EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
    EXPECT_THAT(verdict.reasons, Contains(HasSubstr("500 context switches")));
}

TEST(Undecided, AnIdleThreadWithARequestInHandIsNotAboveTheDaemon) {
    Evidence evidence = testing::fixture("stall-above-the-daemon");
    EXPECT_THAT(judge(evidence).reasons.at(0), HasSubstr("the stall is above the daemon"));
    evidence.stall->daemon.in_flight = {{.id = 1, .operation = "write", .tid = 4240, .age_s = 9}};
    const auto verdict = judge(evidence);
    EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
    EXPECT_THAT(verdict.reasons.at(0), HasSubstr("refluxd[4240] has a request in hand"));
}

TEST(Faults, AreToldAndDecideNothingWhenTheyCame) {
    for (const std::string& name : testing::fixture_names()) {
        Evidence evidence = testing::fixture(name);
        evidence.faults.clear();
        const auto without = judge(evidence);
        evidence.faults = {{.name = "stop", .detail = "SIGSTOP to 7", .at_s = 3.25, .lifted_s = 9.0},
                           {.name = "kill", .detail = "too early", .at_s = {}, .lifted_s = {}}};
        const auto with = judge(evidence);
        // What went on to its end without its fault says nothing of the fault.
        const bool went_on = without.outcome == Outcome::completes || without.outcome == Outcome::slow;
        EXPECT_EQ(with.outcome, went_on ? Outcome::inconclusive : without.outcome) << name;
        EXPECT_EQ(with.recursion, without.recursion) << name;
        EXPECT_EQ(with.cycle, without.cycle) << name;
        EXPECT_EQ(with.reasons.front(), without.reasons.front()) << name;
        evidence.faults.pop_back();
        EXPECT_EQ(judge(evidence).outcome, without.outcome) << name;
        if (with.outcome != Outcome::harness_error && with.outcome != Outcome::unsupported) {
            EXPECT_THAT(with.reasons,
                        Contains("a fault was injected at 3.2 s: stop, SIGSTOP to 7; lifted at 9.0 s"))
                << name;
            EXPECT_THAT(with.reasons, Contains("the fault kill was not injected: too early")) << name;
        }
    }
}

TEST(Meanwhile, IsToldAndDecidesNothing) {
    for (const std::string& name : testing::fixture_names()) {
        Evidence evidence = testing::fixture(name);
        evidence.meanwhile.reset();
        const auto without = judge(evidence);
        evidence.meanwhile = evidence::Meanwhile{.command = "sync",
                                                 .rounds = 2,
                                                 .failed = 1,
                                                 .first_failure = "round 2: exit 1",
                                                 .longest_s = 0.5,
                                                 .hanging_s = 9.25,
                                                 .undo_failure = "thaw: exit 1"};
        const auto with = judge(evidence);
        EXPECT_EQ(with.outcome, without.outcome) << name;
        EXPECT_EQ(with.recursion, without.recursion) << name;
        EXPECT_EQ(with.reasons.front(), without.reasons.front()) << name;
        if (with.outcome != Outcome::harness_error && with.outcome != Outcome::unsupported) {
            EXPECT_THAT(with.reasons, Contains("meanwhile `sync` was done 2 times, in 500.0 ms at most; 1 "
                                               "failed, first round 2: exit 1; one more had not ended "
                                               "after 9.2 s"))
                << name;
            EXPECT_THAT(with.reasons, Contains("what was done meanwhile could not be undone: thaw: exit 1"))
                << name;
        }
    }
}

TEST(Meanwhile, ThatNeverWorkedLeavesTheRunUndecided) {
    Evidence evidence = testing::fixture("completes");
    evidence.meanwhile =
        evidence::Meanwhile{.command = "sync", .rounds = 3, .failed = 3, .first_failure = "exit 2"};
    EXPECT_EQ(judge(evidence).outcome, Outcome::inconclusive);
    evidence.meanwhile = evidence::Meanwhile{.command = "sync"};
    EXPECT_EQ(judge(evidence).outcome, Outcome::inconclusive) << "nor that never began";
    evidence.meanwhile = evidence::Meanwhile{.command = "sync", .rounds = 3, .failed = 2};
    EXPECT_EQ(judge(evidence).outcome, Outcome::completes);
}

TEST(Stopped, OneThreadOfManyIsNotAStoppedDaemon) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    for (auto& snapshot : evidence.stall->snapshots) {
        snapshot.tasks.at(1).state = 'T';
    }
    EXPECT_EQ(judge(evidence).outcome, Outcome::deadlock);
}

TEST(Slow, JudgesByDeviceAndDaemonAndNotByTheWriter) {
    Evidence evidence = testing::fixture("slow-unfinished");
    for (auto& point : evidence.progress) {
        point.device_completed = 7;
        point.daemon_completed = 70;
    }
    EXPECT_EQ(judge(evidence).outcome, Outcome::inconclusive);
    // Recorded on 7.2, v2: a throttled daemon completed one write of 4 KiB in 31 s, and no device I/O was
    // whole.
    evidence.progress.back().daemon_completed = 71;
    EXPECT_EQ(judge(evidence).outcome, Outcome::slow);
    EXPECT_THAT(judge(evidence).reasons.at(0), HasSubstr("0 I/Os and the daemon 1 request"));
    // A daemon that did not answer tells nothing.
    evidence.progress.back().daemon_completed = std::nullopt;
    EXPECT_EQ(judge(evidence).outcome, Outcome::inconclusive);
}

// In a guest on a busy host the harness may not run for as long as a stall would take.
TEST(Slow, WhoDidNotLookForAStallWindowDoesNotKnow) {
    Evidence evidence = testing::fixture("slow-unfinished");
    ASSERT_EQ(judge(evidence).outcome, Outcome::slow);
    ASSERT_GE(evidence.progress.size(), 2U);
    evidence.progress.back().at_s =
        evidence.progress[evidence.progress.size() - 2].at_s + evidence.limits.stall_window_s;
    const verdict::Verdict verdict = judge(evidence);
    EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
    EXPECT_THAT(verdict.reasons.at(0), HasSubstr("did not get to look"));
}

TEST(Reasons, NameLeftoversAndTheKernelLog) {
    Evidence evidence = testing::fixture("completes");
    evidence.leftovers = {"/dev/loop7"};
    evidence.kernel_log = {"EXT4-fs warning"};
    const verdict::Verdict verdict = judge(evidence);
    EXPECT_THAT(verdict.reasons, Contains(HasSubstr("/dev/loop7")));
    EXPECT_THAT(verdict.reasons, Contains(HasSubstr("EXT4-fs warning")));
}

TEST(GfpMask, TellsWhatReclaimMayDo) {
    EXPECT_EQ(verdict::reach_of("GFP_HIGHUSER_MOVABLE"), "may call into filesystems");
    EXPECT_EQ(verdict::reach_of("GFP_KERNEL|__GFP_NOWARN"), "may call into filesystems");
    EXPECT_THAT(verdict::reach_of("GFP_NOFS|__GFP_HIGHMEM"), HasSubstr("(GFP_NOFS)"));
    EXPECT_THAT(verdict::reach_of("GFP_NOIO|__GFP_HIGHMEM|__GFP_HARDWALL"), HasSubstr("(GFP_NOIO)"));
    EXPECT_EQ(verdict::reach_of("GFP_NOIO|__GFP_IO|__GFP_FS"), "may call into filesystems");
    EXPECT_EQ(verdict::reach_of(""), "");
    EXPECT_EQ(verdict::reach_of("0xcc0"), "");
}

}  // namespace
}  // namespace reflux
