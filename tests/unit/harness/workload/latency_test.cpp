#include "harness/workload/latency.h"

#include "backend/base/units.h"
#include "harness/workload/content.h"
#include "harness/workload/results.h"
#include "tests/unit/harness/workload/support.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace reflux::workload {
namespace {

TEST(LatencyBuckets, FollowEachOtherWithoutAGap) {
    EXPECT_EQ(latency_bucket(0), 0U);
    std::size_t last = 0;
    for (std::uint64_t us = 1; us < 200'000; ++us) {
        const auto bucket = latency_bucket(us);
        ASSERT_TRUE(bucket == last || bucket == last + 1) << us;
        last = bucket;
    }
    EXPECT_EQ(latency_bucket((1U << latency_top_bit) - 1), latency_buckets - 1);
    EXPECT_EQ(latency_bucket(1U << latency_top_bit), latency_buckets - 1) << "what is longer";
    EXPECT_EQ(latency_bucket(~std::uint64_t{0}), latency_buckets - 1);
}

TEST(LatencyBuckets, AreOffByOneIn32AtMost) {
    for (std::uint64_t us = 1; us >> latency_top_bit == 0; us += 1 + us / 1000) {
        const double told = latency_middle(latency_bucket(us));
        ASSERT_LE(std::abs(told - static_cast<double>(us)), static_cast<double>(us) / 32) << us;
    }
}

TEST(Latencies, OfNothingAreNothing) {
    const Latencies none;
    EXPECT_EQ(none.count(), 0U);
    EXPECT_EQ(none.quantile_s(0.99), 0);
    EXPECT_EQ(none.longest_s(), 0);
}

TEST(Latencies, QuantilesAreOfTheNearestRank) {
    Latencies some;
    for (int i = 0; i < 98; ++i) {
        some.add(10);
    }
    some.add(1'000'000);
    some.add(5'000'000);
    EXPECT_DOUBLE_EQ(some.quantile_s(0.5), 10e-6);
    EXPECT_DOUBLE_EQ(some.quantile_s(0.98), 10e-6);
    EXPECT_NEAR(some.quantile_s(0.99), 1.0, 1.0 / 32);
    EXPECT_DOUBLE_EQ(some.quantile_s(0.999), 5.0) << "the last rank is the longest, exactly";
    EXPECT_DOUBLE_EQ(some.longest_s(), 5.0);
    Latencies one;
    one.add(17);
    EXPECT_DOUBLE_EQ(one.quantile_s(0), 17e-6);
    EXPECT_DOUBLE_EQ(one.quantile_s(1), 17e-6);
}

TEST(Latencies, LongerThanTheLastBucketAreStillTheLongest) {
    Latencies some;
    some.add(std::uint64_t{3'000'000'000});
    EXPECT_DOUBLE_EQ(some.quantile_s(0.99), 3000);
    EXPECT_DOUBLE_EQ(some.longest_s(), 3000);
}

// Against the sorted times themselves.
TEST(Latencies, OfManyAreWithinTheBoundAndAddUp) {
    Random random(7, 0, 0);
    Latencies together;
    std::vector<std::uint64_t> times;
    for (int part = 0; part < 4; ++part) {
        LatencyHistogram histogram;
        for (int i = 0; i < 5000; ++i) {
            const std::uint64_t us = random.next() >> (random.below(60) + 4) & ((1U << 30U) - 1);
            times.push_back(us);
            histogram.record(us);
        }
        together.add(histogram.copy());
    }
    std::ranges::sort(times);
    ASSERT_EQ(together.count(), times.size());
    for (const double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
        const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(times.size())));
        const double exact = static_cast<double>(times.at(rank - 1)) / 1e6;
        EXPECT_LE(std::abs(together.quantile_s(share) - exact), exact / 32 + 1e-12) << share;
    }
}

const evidence::StepLatency* find(const evidence::WorkloadCost& cost, const std::string& kind) {
    const auto found = std::ranges::find(cost.latencies, kind, &evidence::StepLatency::kind);
    return found == cost.latencies.end() ? nullptr : &*found;
}

constexpr std::uint64_t second_ns = 1'000'000'000;

class WorkloadCost : public ::testing::Test {
  protected:
    void SetUp() override {
        auto state = SharedState::create(testing::small_plan());
        ASSERT_TRUE(state);
        state_.emplace(std::move(*state));
        state_->began_ns().store(10 * second_ns);
    }
    void set(std::uint32_t worker, WorkerState state, Operation operation, std::uint64_t began_ns) const {
        auto& slot = state_->worker(worker);
        slot.state.store(static_cast<std::uint32_t>(state));
        slot.operation.store(static_cast<std::uint32_t>(operation));
        slot.operation_began_ns.store(began_ns);
    }
    [[nodiscard]] evidence::WorkloadCost at(std::uint64_t now_s) const {
        const auto cost = workload_cost(*state_, now_s * second_ns);
        EXPECT_TRUE(cost);
        return cost.value_or(evidence::WorkloadCost{});
    }

    std::optional<SharedState> state_;
};

TEST_F(WorkloadCost, IsNoneBeforeItsBegin) {
    EXPECT_FALSE(workload_cost(*state_, 9 * second_ns));
    state_->began_ns().store(0);
    EXPECT_FALSE(workload_cost(*state_, 11 * second_ns));
}

TEST_F(WorkloadCost, EndsWhereTheWorkloadEnded) {
    state_->worker(0).bytes_written.store(300);
    state_->worker(1).bytes_read.store(70);
    EXPECT_DOUBLE_EQ(at(15).worked_s, 5);
    state_->ended_ns().store(14 * second_ns);
    EXPECT_DOUBLE_EQ(at(40).worked_s, 4);
    EXPECT_DOUBLE_EQ(at(12).worked_s, 2);
    EXPECT_EQ(at(40).written_bytes, 300U);
    EXPECT_EQ(at(40).read_bytes, 70U);
    EXPECT_TRUE(at(40).latencies.empty());
}

TEST_F(WorkloadCost, WhatHasNotEndedCountsWithItsAge) {
    auto& syncs = state_->worker(1).latencies.at(static_cast<std::size_t>(StepKind::sync));
    syncs.record(1000);
    set(0, WorkerState::running, Operation::sync_file, 12 * second_ns);
    set(1, WorkerState::running, Operation::none, 0);
    set(2, WorkerState::running, Operation::create_file, 20 * second_ns);
    const auto cost = at(42);
    const auto* sync = find(cost, "sync");
    ASSERT_NE(sync, nullptr);
    EXPECT_EQ(sync->count, 2U);
    EXPECT_EQ(sync->unfinished, 1U);
    EXPECT_DOUBLE_EQ(sync->p99_s, 30);
    EXPECT_DOUBLE_EQ(sync->longest_s, 30);
    EXPECT_NEAR(sync->p50_s, 0.001, 0.001 / 32);
    const auto* write = find(cost, "write");
    ASSERT_NE(write, nullptr);
    EXPECT_DOUBLE_EQ(write->longest_s, 22);
    EXPECT_EQ(find(cost, "stream"), nullptr);
}

// It may be long dead when the others end.
TEST_F(WorkloadCost, WhatASignalCutOffHasNoTime) {
    set(0, WorkerState::killed, Operation::sync_file, 12 * second_ns);
    EXPECT_TRUE(at(42).latencies.empty());
}

TEST(GeneratorCost, EveryKindOfStepIsTimed) {
    const testing::TemporaryFolder folder;
    const auto state = SharedState::create(testing::small_plan());
    ASSERT_TRUE(state);
    auto generator = testing::start_generator(*state, folder.path());
    const auto exit = wait_for(generator, Seconds(60));
    ASSERT_TRUE(exit && *exit && (*exit)->ok());
    const auto cost = workload_cost(*state, state->ended_ns().load());
    ASSERT_TRUE(cost);
    const auto totals = state->totals();
    std::uint64_t steps = 0;
    for (std::size_t kind = 0; kind < step_kinds; ++kind) {
        const auto* row = find(*cost, to_string(static_cast<StepKind>(kind)));
        ASSERT_NE(row, nullptr) << to_string(static_cast<StepKind>(kind));
        EXPECT_EQ(row->unfinished, 0U) << row->kind;
        EXPECT_LE(row->p50_s, row->p99_s) << row->kind;
        EXPECT_LE(row->p99_s, row->p999_s) << row->kind;
        EXPECT_LE(row->p999_s, row->longest_s) << row->kind;
        EXPECT_LE(row->longest_s, cost->worked_s) << row->kind;
        steps += row->kind == "sync" ? 0 : row->count;
    }
    // Of each step the time was taken once; a sync is part of a step, or is one of a directory.
    EXPECT_LE(steps, totals.steps);
    EXPECT_GE(steps + find(*cost, "sync")->count, totals.steps);
    EXPECT_EQ(cost->written_bytes, totals.bytes_written);
}

}  // namespace
}  // namespace reflux::workload
