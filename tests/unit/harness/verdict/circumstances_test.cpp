// What a reader must know besides: whether the pressure was there, and whether there was a daemon at all.
#include "harness/verdict/verdict.h"
#include "tests/unit/harness/verdict/fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using evidence::Evidence;
using ::testing::Contains;
using ::testing::HasSubstr;
using verdict::judge;
using verdict::Outcome;

// A hog that did what it was to: others differ from it in one thing each.
evidence::Hog working_hog() {
    return {.asked_bytes = 64U << 20U,
            .place = "limited",
            .began_s = 2.5,
            .started = 1,
            .most_taken_bytes = 48U << 20U,
            .at_work = true};
}

TEST(Hog, ThatPressedIsToldAndDecidesNothing) {
    for (const std::string& name : testing::fixture_names()) {
        Evidence evidence = testing::fixture(name);
        const auto without = judge(evidence);
        evidence.hog = working_hog();
        evidence.hog->oom_killed = 2;
        const auto with = judge(evidence);
        EXPECT_EQ(with.outcome, without.outcome) << name;
        EXPECT_EQ(with.reasons.front(), without.reasons.front()) << name;
        if (with.outcome != Outcome::harness_error && with.outcome != Outcome::unsupported) {
            EXPECT_THAT(with.reasons,
                        Contains("a hog of 64.0 MiB (in the workload's memcg) began at 2.5 s and "
                                 "took 48.0 MiB at most; the OOM killer took it 2 times"))
                << name;
        }
    }
}

TEST(Hog, ThatDidNotPressLeavesTheRunUndecided) {
    Evidence evidence = testing::fixture("completes");
    const auto undecided = [&evidence](auto&& change) {
        evidence.hog = working_hog();
        change(*evidence.hog);
        const auto verdict = judge(evidence);
        EXPECT_FALSE(verdict.met);
        return verdict.outcome == Outcome::inconclusive ? verdict.reasons.front() : "";
    };
    EXPECT_THAT(undecided([](auto& hog) { hog.began_s.reset(); }),
                HasSubstr("was not started: the workload had not written enough; so this run says nothing of "
                          "its pressure"));
    EXPECT_THAT(undecided([](auto& hog) { hog.most_taken_bytes = 0; }), HasSubstr("took 0.0 MiB at most"));
    EXPECT_THAT(undecided([](auto& hog) {
                    hog.at_work = false;
                    hog.failed = 1;
                    hog.first_failure = "signal 11";
                }),
                HasSubstr("it ended 1 time by other means, first: signal 11; none was there when"));
    EXPECT_THAT(undecided([](auto& hog) { hog.syncs = 0; }), HasSubstr("with 0 syncs"));
    // The OOM killer comes because memory is short.
    evidence.hog = working_hog();
    evidence.hog->at_work = false;
    evidence.hog->oom_killed = 1;
    EXPECT_EQ(judge(evidence).outcome, Outcome::completes);
}

TEST(Hog, ThatDidNotPressDoesNotExcuseAStall) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.hog = evidence::Hog{.asked_bytes = 64U << 20U};
    EXPECT_EQ(judge(evidence).outcome, Outcome::deadlock);
    EXPECT_THAT(judge(evidence).reasons, Contains(HasSubstr("was not started")));
}

TEST(DaemonFailure, IsTheDaemonsAndNotAVerdictOnItsStack) {
    Evidence evidence = testing::fixture("completes");
    evidence.daemon_failure = evidence::DaemonFailure{.command = "mydaemon --x",
                                                      .waited_for = "/run/disk to appear",
                                                      .waited_s = 0.24,
                                                      .ended = "exit 7",
                                                      .trouble = "",
                                                      .last_lines = {"no such luck", "bye"}};
    evidence.expected.outcome = {"completes", "daemon_killed", "io_error"};
    auto verdict = judge(evidence);
    EXPECT_EQ(verdict.outcome, Outcome::harness_error);
    EXPECT_FALSE(verdict.met);
    EXPECT_EQ(verdict.reasons.front(),
              "the daemon `mydaemon --x` ended (exit 7) 0.2 s after its start, while it was waited for "
              "/run/disk to appear; its log ends: no such luck | bye");
    evidence.daemon_failure->ended.clear();
    evidence.daemon_failure->waited_s = 60.02;
    evidence.daemon_failure->trouble = "it did not appear";
    evidence.daemon_failure->last_lines.clear();
    EXPECT_EQ(
        judge(evidence).reasons.front(),
        "the daemon `mydaemon --x` runs, but did not come to serve: 60.0 s were waited for /run/disk to "
        "appear; its log is empty; it did not appear");
    evidence.harness_error = "mount: EINVAL";
    EXPECT_EQ(judge(evidence).reasons.front(), "the harness failed: mount: EINVAL");
}

}  // namespace
}  // namespace reflux
