#include "harness/run/shard.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::run {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<Cell> matrix_of(int scenarios, const std::vector<std::string>& kernels) {
    std::vector<Cell> cells;
    for (int i = 0; i < scenarios; ++i) {
        for (const auto& kernel : kernels) {
            // As the shipped ones are named: each with a control, which takes a third of its time.
            cells.push_back(
                {.kernel = kernel, .scenario = fmt::format("family-{}{}", i / 2, i % 2 ? "-control" : "")});
        }
    }
    return cells;
}

std::vector<std::string> names_of(const std::vector<Cell>& cells) {
    std::vector<std::string> names;
    for (const auto& cell : cells) {
        names.push_back(cell.kernel + "/" + cell.scenario);
    }
    return names;
}

TEST(ShardTest, IsWrittenAsNumberAndCount) {
    const auto shard = parse_shard("2/30");
    ASSERT_TRUE(shard);
    EXPECT_EQ(shard->number, 2U);
    EXPECT_EQ(shard->of, 30U);
    for (const auto* text : {"", "/", "1", "1/", "/1", "0/1", "2/1", "-1/2", "1/0", "0/0", "1/2/3", "a/b",
                             "1 /2", "1/2 ", "+1/2", "1.0/2", "1/99999999999", "0x1/2"}) {
        const auto wrong = parse_shard(text);
        ASSERT_FALSE(wrong) << text;
        EXPECT_EQ(wrong.error().kind, ErrorKind::invalid_input) << text;
        EXPECT_THAT(wrong.error().message, HasSubstr("--shard")) << text;
    }
}

TEST(ShardTest, EveryCellIsInOneShardAndNoneHasTwoMore) {
    const auto cells = matrix_of(9, {"5.10", "6.1", "7.2"});
    for (unsigned of = 1; of <= cells.size() + 2; ++of) {
        std::multiset<std::string> seen;
        std::set<std::size_t> sizes;
        for (unsigned number = 1; number <= of; ++number) {
            const auto own = names_of(cells_of({.number = number, .of = of}, cells));
            seen.insert(own.begin(), own.end());
            sizes.insert(own.size());
        }
        EXPECT_THAT(names_of(cells), ::testing::UnorderedElementsAreArray(seen)) << of;
        EXPECT_LE(*sizes.rbegin() - *sizes.begin(), 1U) << of;
    }
}

// By its names alone: another machine may be asked in another order, and keeps the order that it was asked
// in.
TEST(ShardTest, TheOrderOfTheCellsDoesNotMatter) {
    const auto cells = matrix_of(23, {"5.10", "6.1", "7.2"});
    auto shuffled = cells;
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(8));
    const auto own = cells_of({.number = 2, .of = 5}, cells);
    EXPECT_THAT(names_of(cells_of({.number = 2, .of = 5}, shuffled)),
                ::testing::UnorderedElementsAreArray(names_of(own)));
    EXPECT_TRUE(std::ranges::is_sorted(own, {}, [&](const Cell& cell) {
        return std::ranges::find(cells, cell.kernel + cell.scenario,
                                 [](const Cell& one) { return one.kernel + one.scenario; });
    }));
}

// A split by the order of the names would give one of two shards all stalls and the other all controls.
TEST(ShardTest, NeitherControlsNorKernelsGoToOneShard) {
    const auto cells = matrix_of(40, {"6.1", "7.2"});
    for (unsigned number = 1; number <= 2; ++number) {
        std::map<std::string, int> counts;
        for (const auto& cell : cells_of({.number = number, .of = 2}, cells)) {
            ++counts[cell.kernel];
            ++counts[cell.scenario.ends_with("-control") ? "controls" : "stalls"];
        }
        for (const auto& [what, count] : counts) {
            EXPECT_GT(count, 10) << number << " " << what;
        }
        EXPECT_EQ(counts.size(), 4U);
    }
}

// Machines with other versions of reflux may share a matrix: these values must not change.
TEST(ShardTest, TheHashIsFowlerNollVo) {
    EXPECT_EQ(stable_hash({.kernel = "foo", .scenario = "bar"}), 0x571d17d6ef2def0dU);
    EXPECT_THAT(names_of(cells_of({.number = 1, .of = 3}, matrix_of(4, {"6.1"}))),
                ElementsAre("6.1/family-0-control", "6.1/family-1"));
    EXPECT_THAT(cells_of({.number = 5, .of = 5}, matrix_of(4, {"6.1"})), IsEmpty());
}

}  // namespace
}  // namespace reflux::run
