#include "harness/verdict/cost.h"

#include "tests/unit/harness/verdict/fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::verdict {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

const Place here{.kernel = "6.1", .cgroup = "v1"};
const Claim cure_claim{.cure = true, .baseline = "stall", .control = ""};
const Claim stall_claim{.cure = false, .baseline = "", .control = "control"};

// Throughput in MiB/s; times in ms.
CostFigures figures(double throughput, double write_ms, double sync_ms) {
    return {.throughput_bytes_s = throughput * 1048576,
            .steps = {{.kind = "write", .count = 1000, .p99_s = write_ms / 1e3, .longest_s = write_ms / 1e2},
                      {.kind = "sync", .count = 100, .p99_s = sync_ms / 1e3, .longest_s = sync_ms / 1e2}},
            .enomem = 0,
            .other_errors = 0,
            .short_transfers = 0,
            .oom_kills = 0,
            .machine_oom_kills = 0,
            .scanned_pages = 0,
            .reclaimed_pages = 0};
}

class CostTest : public ::testing::Test {
  protected:
    void add(const std::string& scenario, const Claim& claim, std::optional<CostFigures> cost,
             const std::string& outcome = "completes", const Place& place = here) {
        batch_.push_back({.scenario = scenario,
                          .place = place,
                          .outcome = outcome,
                          .claim = claim,
                          .cost = std::move(cost)});
    }
    [[nodiscard]] std::vector<CostSummary> costs() const { return compare_costs(tally(batch_)); }
    [[nodiscard]] CostSummary cost_of(const std::string& scenario) const {
        for (const auto& cost : costs()) {
            if (cost.scenario == scenario) {
                return cost;
            }
        }
        ADD_FAILURE() << "no cost of " << scenario;
        return {};
    }

    std::vector<BatchRun> batch_;
};

TEST_F(CostTest, IsTheRatioToTheControlThatTheBaselineNames) {
    auto cure = figures(42, 31, 20);
    cure.scanned_pages = 1000;
    cure.reclaimed_pages = 110;
    add("cure", cure_claim, cure);
    add("stall", stall_claim, figures(1, 9000, 9000), "deadlock");
    add("control", {}, figures(100, 10, 10));
    EXPECT_EQ(
        cost_of("cure").line,
        "cure: cost against control: throughput 0.42, p99 3.1 times (write), 2 times (sync), longest step "
        "310.0 ms against 100.0 ms, ENOMEM 0, short 0, OOM kills 0, reclaimed 11 % of what was scanned");
    EXPECT_DOUBLE_EQ(*cost_of("cure").throughput, 0.42);
    EXPECT_EQ(cost_of("stall").control, "control");
    EXPECT_NEAR(cost_of("stall").p99.at(0).ratio, 900, 1e-9);
    EXPECT_EQ(cost_of("control").line,
              "control: cost: throughput 100.0 MiB/s, p99 10.0 ms (write), 10.0 ms (sync), longest step "
              "100.0 ms, ENOMEM 0, short 0, OOM kills 0, reclaim scanned nothing");
    EXPECT_FALSE(cost_of("control").throughput);
}

TEST_F(CostTest, WithoutAControlBesideItIsAbsolute) {
    add("cure", cure_claim, figures(42, 31, 20));
    add("stall", stall_claim, figures(1, 1, 1));
    add("control", {}, std::nullopt);
    add("control", {}, figures(100, 10, 10), "completes", {.kernel = "6.1", .cgroup = "v2"});
    const auto cost = cost_of("cure");
    EXPECT_EQ(cost.control, "");
    EXPECT_FALSE(cost.throughput);
    EXPECT_TRUE(cost.p99.empty());
    EXPECT_THAT(cost.line, HasSubstr("6.1 v1, cure: cost: throughput 42.0 MiB/s, p99 31.0 ms (write)"));
}

TEST_F(CostTest, OfSeveralRunsIsThatOfTheirMedians) {
    for (const double throughput : {10.0, 50.0, 90.0, 60.0}) {
        auto run = figures(throughput, throughput, 1);
        run.oom_kills = 1;
        add("cure", cure_claim, run);
    }
    add("cure", cure_claim, std::nullopt, "unsupported");
    add("stall", stall_claim, figures(1, 1, 1));
    add("control", {}, figures(100, 10, 10));
    add("control", {}, figures(1000, 1, 1));
    const auto cost = cost_of("cure");
    EXPECT_EQ(cost.runs, 4U);
    EXPECT_EQ(cost.control_runs, 2U);
    EXPECT_DOUBLE_EQ(*cost.throughput, 55.0 / 550.0);
    EXPECT_EQ(cost.p99.at(0).kind, "write");
    EXPECT_DOUBLE_EQ(cost.p99.at(0).ratio, 55 / 5.5);
    EXPECT_EQ(cost.figures.oom_kills, 4U) << "what happened once must not vanish in a median";
    EXPECT_DOUBLE_EQ(find_step(cost.figures, "write")->longest_s, 0.9);
    EXPECT_THAT(cost.line, HasSubstr("cure: cost of 4 runs against control, 2 runs: throughput 0.1, "));
}

TEST_F(CostTest, WhatWasNotMeasuredIsNeverNought) {
    add("loop", {}, CostFigures{});
    EXPECT_EQ(cost_of("loop").line,
              "loop: cost: throughput not known, the daemon's I/O errors not known, OOM kills not known, "
              "what reclaim scanned not known");
    EXPECT_FALSE(cost_of("loop").figures.enomem);
    add("old", {}, std::nullopt);
    EXPECT_THAT(costs(), SizeIs(1));
    EXPECT_EQ(find_cost(costs(), batch_.back()), nullptr);
    EXPECT_EQ(find_cost(costs(), batch_.front())->scenario, "loop");
}

TEST_F(CostTest, FewStepsAndStepsWithoutAnEndAreToldSo) {
    auto run = figures(1, 10, 10);
    run.steps[1] = {.kind = "sync", .count = 12, .unfinished = 1, .p99_s = 30, .longest_s = 30};
    run.enomem = 3;
    run.other_errors = 2;
    run.short_transfers = 1;
    run.oom_kills = 1;
    run.machine_oom_kills = 4;
    add("stall", {}, run, "deadlock");
    EXPECT_THAT(cost_of("stall").line,
                HasSubstr("30.0 s (sync, of 12 steps), longest step 30.0 s (1 had not ended), ENOMEM 3, "
                          "other I/O errors 2, short 1, OOM kills 1 (4 on the machine)"));
}

TEST(CostFiguresTest, AreDrawnFromTheEvidence) {
    evidence::Evidence evidence = testing::fixture("completes");
    EXPECT_FALSE(cost_figures(evidence)) << "older evidence";
    auto& cost = evidence.cost.emplace();
    EXPECT_FALSE(cost_figures(evidence)->throughput_bytes_s);
    EXPECT_FALSE(cost_figures(evidence)->enomem);
    EXPECT_FALSE(cost_figures(evidence)->scanned_pages);
    cost.workload = evidence::WorkloadCost{
        .worked_s = 4,
        .written_bytes = 300,
        .read_bytes = 100,
        .latencies = {{.kind = "sync", .count = 7, .unfinished = 1, .p99_s = 2, .longest_s = 3}}};
    cost.daemon = evidence::DaemonIo{
        .requests = 9, .short_transfers = 2, .errors = {{"EIO", 4}, {"ENOMEM", 5}, {"ENOSPC", 6}}};
    cost.oom_kills = 1;
    evidence.trace.available = true;
    evidence.trace.scan = evidence::ReclaimScan{.batches = 1, .scanned_pages = 32, .reclaimed_pages = 8};
    const auto figures = cost_figures(evidence);
    EXPECT_DOUBLE_EQ(*figures->throughput_bytes_s, 100);
    EXPECT_EQ(find_step(*figures, "sync")->unfinished, 1U);
    EXPECT_EQ(find_step(*figures, "write"), nullptr);
    EXPECT_EQ(figures->enomem, 5U);
    EXPECT_EQ(figures->other_errors, 10U);
    EXPECT_EQ(figures->short_transfers, 2U);
    EXPECT_EQ(figures->oom_kills, 1U);
    EXPECT_FALSE(figures->machine_oom_kills);
    EXPECT_EQ(figures->scanned_pages, 32U);
    evidence.trace.available = false;
    EXPECT_FALSE(cost_figures(evidence)->scanned_pages) << "the trace's end is not known";
}

}  // namespace
}  // namespace reflux::verdict
