#include "harness/run/sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::run {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

scenario::Sweep sweep_of_shared() {
    return {.mitigations = {"*", "io_flusher+own_cgroup"},
            .families = {{.id = "v1",
                          .title = "writeback",
                          .scenario = "fuse-ext4-shared-memcg",
                          .set = {"vm.cgroup=v1"},
                          .cures = {"own_cgroup"},
                          .leaves = {"io_flusher"}}}};
}

TEST(SweepRunTest, TheStarIsEachRowOfTheTable) {
    const auto all = mitigations_of(sweep_of_shared(), {});
    ASSERT_TRUE(all) << all.error().message;
    EXPECT_THAT(*all,
                AllOf(Contains("io_flusher"), Contains("own_cgroup"), Contains("io_flusher+own_cgroup")));
    EXPECT_THAT(*mitigations_of(sweep_of_shared(), {"own_cgroup"}), ElementsAre("own_cgroup"));
    EXPECT_THAT(mitigations_of(sweep_of_shared(), {"nonsense"}).error().message, HasSubstr("'nonsense'"));
    auto unknown = sweep_of_shared();
    unknown.mitigations = {"io_flusher+nonsense"};
    EXPECT_THAT(mitigations_of(unknown, {}).error().message, HasSubstr("nonsense"));
}

TEST(SweepRunTest, EachFamilyHasItsControlItsBaselineAndItsCures) {
    const auto scenarios =
        scenarios_of(sweep_of_shared(), {"own_cgroup", "io_flusher+own_cgroup"}, {"vm.cpus=3"});
    ASSERT_TRUE(scenarios) << scenarios.error().message;
    ASSERT_EQ(scenarios->size(), 4U);
    EXPECT_EQ((*scenarios)[0].name, "v1");
    EXPECT_EQ((*scenarios)[0].control, "v1-control");
    EXPECT_EQ((*scenarios)[0].baseline, "");
    EXPECT_FALSE((*scenarios)[0].expect.outcome.empty());
    EXPECT_EQ((*scenarios)[3].name, "v1-control");
    EXPECT_FALSE((*scenarios)[3].memcg.limit) << "a control has no limit";
    const auto& both = (*scenarios)[2];
    EXPECT_EQ(both.name, "v1+io_flusher+own_cgroup");
    EXPECT_EQ(both.baseline, "v1");
    EXPECT_THAT(both.mitigations, ElementsAre("io_flusher", "own_cgroup"));
    EXPECT_THAT(both.expect.outcome, IsEmpty()) << "predictions stand in the sweep";
    for (const auto& one : *scenarios) {
        EXPECT_EQ(one.vm.cgroup, "v1");
        EXPECT_EQ(one.vm.cpus, 3U);
    }
}

TEST(SweepRunTest, FamiliesCanBeChosen) {
    auto sweep = sweep_of_shared();
    sweep.families.push_back({.id = "other"});
    EXPECT_THAT(keep_families({"third"}, sweep).error().message, HasSubstr("v1, other"));
    ASSERT_TRUE(keep_families({"other"}, sweep));
    ASSERT_EQ(sweep.families.size(), 1U);
    EXPECT_EQ(sweep.families[0].id, "other");
}

Cell cell(const std::string& scenario, const std::vector<std::string>& outcomes,
          const std::string& recursion) {
    Cell made{.kernel = "6.1", .scenario = scenario, .wanted = 2};
    if (scenario.find('+') != std::string::npos) {
        made.claim = {.cure = true, .baseline = "v1", .control = "v1-control"};
    } else if (scenario == "v1") {
        made.claim = {.cure = false, .baseline = "", .control = "v1-control"};
    }
    for (const auto& outcome : outcomes) {
        made.finished.push_back(
            {.outcome = outcome, .recursion = recursion, .reason = "why", .met = true, .cgroup = "v1"});
    }
    return made;
}

std::vector<std::string> rows_of(const std::vector<Cell>& cells) {
    return table_of(sweep_of_shared(), {"own_cgroup", "io_flusher", "mlock", "per_call"}, cells);
}

TEST(SweepRunTest, TheTableSaysWhatBecameOfThePredictions) {
    EXPECT_THAT(
        rows_of({cell("v1", {"deadlock", "deadlock"}, "upper"), cell("v1-control", {"completes"}, "none"),
                 cell("v1+own_cgroup", {"deadlock", "completes"}, "upper"),
                 cell("v1+io_flusher", {"livelock"}, "reclaim"),
                 cell("v1+mlock", {"unsupported"}, "unknown")}),
        ElementsAre(
            "| 6.1 | writeback |", "|---|---|", "| none | 2/2 stalls: 2 deadlock; recursion upper |",
            "| own_cgroup | 1/2 stalls: 1 completes, 1 deadlock; recursion upper; predicted to cure: "
            "**refuted** "
            "|",
            "| io_flusher | 1/1 stalls: 1 livelock; recursion reclaim; predicted to leave it: confirmed |",
            "| mlock | unsupported |", "| per_call | - |", "", "- v1+mlock: why"));
}

TEST(SweepRunTest, WhatChanceMayHaveMadeIsNoProof) {
    const auto four = [](const std::string& outcome) { return std::vector<std::string>(4, outcome); };
    EXPECT_THAT(
        rows_of({cell("v1", {"deadlock"}, "upper"), cell("v1-control", {"completes"}, "none"),
                 cell("v1+own_cgroup", {"completes"}, "none"), cell("v1+io_flusher", {"completes"}, "none")}),
        AllOf(Contains(HasSubstr("predicted to cure: so far |")),
              Contains(HasSubstr("predicted to leave it: not so far |"))));
    EXPECT_THAT(rows_of({cell("v1", four("deadlock"), "upper"), cell("v1-control", four("completes"), "none"),
                         cell("v1+own_cgroup", four("completes"), "none"),
                         cell("v1+io_flusher", four("completes"), "none")}),
                AllOf(Contains(HasSubstr("predicted to cure: confirmed |")),
                      Contains(HasSubstr("predicted to leave it: **refuted** |"))));
}

TEST(SweepRunTest, WithoutWhatMakesItTrueThereIsNoMark) {
    const auto control = cell("v1-control", {"completes"}, "none");
    const auto cure = cell("v1+own_cgroup", {"completes"}, "none");
    EXPECT_THAT(rows_of({cell("v1", {"inconclusive"}, "none"), control, cure}),
                Contains(HasSubstr("its baseline was not seen to stall")));
    EXPECT_THAT(rows_of({cell("v1", {"deadlock"}, "upper"), cure}),
                Contains(HasSubstr("its control was not seen to complete")));
    EXPECT_THAT(rows_of({cell("v1", {"deadlock"}, "upper"), control,
                         cell("v1+own_cgroup", {"inconclusive"}, "none")}),
                Contains(HasSubstr("predicted to cure: undecided |")));
    EXPECT_THAT(rows_of({cell("v1", {"deadlock"}, "upper"), control,
                         cell("v1+own_cgroup", {"slow", "completes"}, "none")}),
                Contains(HasSubstr("predicted to cure: undecided, slow |")));
}

TEST(SweepRunTest, ACellTellsWhatItCosts) {
    auto control = cell("v1-control", {"completes"}, "none");
    auto cure = cell("v1+own_cgroup", {"completes"}, "reclaim");
    control.finished.front().cost = verdict::CostFigures{.throughput_bytes_s = 1e6};
    cure.finished.front().cost = verdict::CostFigures{
        .throughput_bytes_s = 5e5, .oom_kills = 2, .scanned_pages = 200, .reclaimed_pages = 50};
    EXPECT_THAT(
        rows_of({cell("v1", {"deadlock"}, "upper"), control, cure}),
        Contains("| own_cgroup | 0/1 stalls: 1 completes; recursion reclaim; throughput 0.5, OOM kills 2, "
                 "reclaimed 25 % of what was scanned; predicted to cure: so far |"));
}

TEST(SweepRunTest, AFailureIsNotCalledUnsupported) {
    auto failed = cell("v1+mlock", {}, "");
    failed.given_up = {.code = ExitCode::harness_failed, .reason = "no verdict, signal 9"};
    EXPECT_THAT(rows_of({failed}),
                AllOf(Contains("| mlock | failed |"), Contains("- v1+mlock: no verdict, signal 9")));
}

TEST(SweepRunTest, APredictionOfNothingThatIsThereIsRefused) {
    auto sweep = sweep_of_shared();
    sweep.families.front().cures = {"own_cgruop"};
    EXPECT_THAT(mitigations_of(sweep, {}).error().message, HasSubstr("a prediction of 'own_cgruop'"));
}

}  // namespace
}  // namespace reflux::run
