#include "harness/run/matrix_folder.h"

#include "backend/base/kernel_file.h"
#include "tests/support/temporary_folder.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::run {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MatrixFilesTest : public testing::Test {
  protected:
    [[nodiscard]] Cell cell(const std::string& kernel, const std::string& scenario) const {
        return {.kernel = kernel,
                .scenario = scenario,
                .folder = fmt::format("{}/{}/{}", out(), kernel, scenario),
                .definition = "question = \"?\"\n"};
    }
    void finish_run(const Cell& cell, int number, const std::string& release) const {
        folder_.write(fmt::format("out/{}/{}/run-{}/verdict.json", cell.kernel, cell.scenario, number),
                      fmt::format(R"({{"outcome":"slow","recursion":null,"met":true,"reasons":[],)"
                                  R"("leftovers":[],"kernel":"{}","duration_s":9.5,"guest":{{"boot_s":3}}}})",
                                  release));
    }
    [[nodiscard]] std::string out() const { return folder_ / "out"; }

    test::TemporaryFolder folder_;
};

TEST_F(MatrixFilesTest, WhatComesFirstStands) {
    const std::string file = out() + "/6.1/kernel";
    EXPECT_EQ(keep_first(file, "a\n").value(), "a\n");
    EXPECT_EQ(keep_first(file, "b\n").value(), "a\n");
    EXPECT_THAT(*list_directory(out() + "/6.1"), ElementsAre("kernel")) << "something was left";
}

// As they were after a loss of power.
TEST_F(MatrixFilesTest, EmptyFilesAreNone) {
    std::vector<Cell> cells{cell("6.1", "a")};
    folder_.write("out/6.1/kernel", "");
    EXPECT_EQ(begun_kernel(cells[0]), "6.1");
    EXPECT_EQ(keep_first(kernel_file(cells[0]), "6.1.0-9\n").value(), "6.1.0-9\n");
    EXPECT_EQ(begun_kernel(cells[0]), "6.1.0-9");
    folder_.write("out/matrix.json", "");
    folder_.write("out/6.1/a/a.toml", "");
    const auto taken = take_up({}, out(), cells);
    EXPECT_TRUE(taken) << taken.error().message;
    EXPECT_NE(read_file(out() + "/matrix.json").value(), "");
}

// Shards that are started at the same moment, where there was nothing or an empty file.
TEST_F(MatrixFilesTest, AllWhoComeAtOnceSeeTheSame) {
    constexpr int rounds = 50;
    constexpr std::size_t at_once = 4;
    for (int round = 0; round < rounds; ++round) {
        const std::string file = fmt::format("{}/{}", out(), round);
        if (round % 2 == 0) {
            folder_.write(fmt::format("out/{}", round), "");
        }
        std::vector<std::string> seen(at_once);
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < at_once; ++i) {
            threads.emplace_back([&, i] { seen[i] = keep_first(file, fmt::format("{}", i)).value(); });
        }
        for (auto& thread : threads) {
            thread.join();
        }
        EXPECT_EQ(seen, std::vector<std::string>(at_once, read_file(file).value()));
        EXPECT_NE(seen[0], "");
    }
}

TEST_F(MatrixFilesTest, ACellHasOneAtWork) {
    ASSERT_TRUE(make_folder(out()));
    auto first = lock_cells(out(), {cell("6.1", "a"), cell("6.1", "b")});
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_TRUE(lock_cells(out(), {cell("6.1", "c"), cell("7.2", "a")})) << "another shard";
    const auto second = lock_cells(out(), {cell("6.1", "c"), cell("6.1", "b")});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message, out() + "/6.1/b: another reflux matrix is at work on it");
    first->reset();
    EXPECT_TRUE(lock_cells(out(), {cell("6.1", "b")}));
}

TEST_F(MatrixFilesTest, FinishedRunsAreTakenInWithTheirTimes) {
    std::vector<Cell> cells{cell("6.1", "a"), cell("7.2", "a")};
    finish_run(cells[0], 1, "6.1.0-9");
    finish_run(cells[1], 1, "7.2.0-1");
    ASSERT_TRUE(make_folder(out()));
    ASSERT_TRUE(take_up({.scenarios = {"a"}}, out(), cells));
    ASSERT_EQ(cells[0].finished.size(), 1U);
    EXPECT_EQ(cells[0].finished[0].release, "6.1.0-9");
    EXPECT_EQ(cells[0].finished[0].time, Seconds(12.5));
}

// Shards that were made apart, on machines where one name stood for two kernels.
TEST_F(MatrixFilesTest, RunsOfTwoKernelsAreNotCountedTogether) {
    std::vector<Cell> cells{cell("6.1", "a"), cell("6.1", "b")};
    finish_run(cells[0], 1, "6.1.0-9");
    finish_run(cells[1], 1, "");  // it did not come so far as to tell
    ASSERT_TRUE(make_folder(out()));
    EXPECT_TRUE(take_up({}, out(), cells));
    finish_run(cells[1], 2, "6.1.0-12");
    const auto refused = take_up({}, out(), cells);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(refused.error().message, HasSubstr("6.1.0-9 in " + cells[0].folder));
    EXPECT_THAT(refused.error().message, HasSubstr("6.1.0-12 in " + cells[1].folder));
}

// "host" after an upgrade, a bzImage that was built anew.
TEST_F(MatrixFilesTest, TheSameNameMayStandForAnotherKernel) {
    std::vector<Cell> cells{cell("host", "a"), cell("host", "b"), cell("6.1", "a")};
    EXPECT_TRUE(keep_release(cells[0], "6.1.0-9"));
    EXPECT_TRUE(keep_release(cells[1], "6.1.0-9"));
    EXPECT_TRUE(keep_release(cells[2], "6.1.0-12")) << "of a column of its own";
    const auto refused = keep_release(cells[1], "6.1.0-12");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(refused.error().message, HasSubstr("host: was 6.1.0-9 when the matrix began"));

    cells[0].finished.push_back({.outcome = "slow", .release = "6.1.0-9"});
    EXPECT_TRUE(check_same_kernel(cells, cells[1], "6.1.0-9"));
    EXPECT_TRUE(check_same_kernel(cells, cells[1], ""));
    EXPECT_TRUE(check_same_kernel(cells, cells[2], "6.1.0-12"));
    EXPECT_FALSE(check_same_kernel(cells, cells[1], "6.1.0-12"));
}

TEST_F(MatrixFilesTest, AScenarioIsTheSameForAllRunsOfACell) {
    std::vector<Cell> cells{cell("6.1", "a")};
    ASSERT_TRUE(keep_definition(cells[0]));
    EXPECT_TRUE(take_up({}, out(), cells));
    cells[0].definition = "question = \"!\"\n";
    EXPECT_THAT(take_up({}, out(), cells).error().message, HasSubstr("'question = \"!\"' now"));
}

}  // namespace
}  // namespace reflux::run
