#include "harness/run/matrix_cells.h"
#include "tests/support/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reflux::run {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string verdict_text(const std::string& outcome, bool met = true) {
    return fmt::format(
        "{{\n  \"outcome\": \"{}\",\n  \"recursion\": null,\n  \"met\": {},\n  \"reasons\": [\n    \"why\"\n "
        " ],\n"
        "  \"leftovers\": []\n}}",
        outcome, met);
}

MatrixRun run_of(const std::string& outcome, bool met = true) {
    return {.outcome = outcome, .recursion = "upper", .reason = "why", .met = met};
}

Cell cell(const std::string& kernel, const std::string& scenario, unsigned wanted,
          std::vector<MatrixRun> finished = {}) {
    return {.kernel = kernel, .scenario = scenario, .wanted = wanted, .finished = std::move(finished)};
}

std::vector<std::string> outcomes_of(const std::vector<MatrixRun>& runs) {
    std::vector<std::string> outcomes;
    for (const auto& run : runs) {
        outcomes.push_back(run.outcome);
    }
    return outcomes;
}

TEST(MatrixRunTest, AVerdictIsReadAndKeptAsItIs) {
    const auto run = parse_run(verdict_text("slow", false) + "\n");
    ASSERT_TRUE(run);
    EXPECT_EQ(run->outcome, "slow");
    EXPECT_EQ(run->recursion, "unknown");
    EXPECT_EQ(run->reason, "why");
    EXPECT_FALSE(run->met);
    EXPECT_FALSE(run->left_behind);
    EXPECT_EQ(run->json, verdict_text("slow", false));
    EXPECT_EQ(run->cgroup, "");
    EXPECT_FALSE(run->foreseen);
    EXPECT_TRUE(
        parse_run(R"({"outcome":"slow","recursion":"none","met":true,"reasons":[],"leftovers":["a mount"]})")
            ->left_behind);
}

// What the gate of cures asks for.
TEST(MatrixRunTest, PlaceAndForesightAreRead) {
    const auto foreseen = [](const std::string& met, const std::string& outcomes) {
        const auto run = parse_run(fmt::format(
            R"({{"outcome":"slow","recursion":null,"met":{},"reasons":[],"leftovers":[],"cgroup_version":"v2",)"
            R"("expected":{{"outcome":[{}],"recursion":[]}}}})",
            met, outcomes));
        EXPECT_EQ(run->cgroup, "v2");
        return run->foreseen;
    };
    EXPECT_TRUE(foreseen("true", "\"slow\""));
    EXPECT_FALSE(foreseen("false", "\"slow\""));
    EXPECT_FALSE(foreseen("true", ""));
}

TEST(MatrixRunTest, WhatIsNoVerdictIsRefused) {
    for (const auto* text : {"", "{", "[]", "{}", "null", R"({"outcome":"slow","met":true})",
                             R"({"outcome":1,"recursion":null,"met":true,"reasons":[],"leftovers":[]})"}) {
        EXPECT_FALSE(parse_run(text)) << text;
    }
    const auto text = verdict_text("slow");
    EXPECT_EQ(parse_batch("[" + text + "]\n")->json, text);
    for (const std::string& batch : {std::string("[]"), text, "[" + text + "," + text + "]"}) {
        EXPECT_FALSE(parse_batch(batch)) << batch;
    }
}

TEST(MatrixFolderTest, OnlyFinishedRunsCount) {
    const test::TemporaryFolder folder;
    folder.write("x-20260101T000000-1/verdict.json", verdict_text("deadlock"));
    folder.write("x-20260101T000001-1/verdict.json", verdict_text("harness_error", false));
    folder.write("x-20260101T000002-1/evidence.json", "{}");
    folder.write("x-20260101T000003-1/verdict.json", verdict_text("slow").substr(0, 30));
    folder.write("x-20260101T000004-1/verdict.json", verdict_text("unsupported", false));
    folder.write("x.toml", "question = \"?\"\n");
    folder.write("run-2.log", "");
    EXPECT_THAT(outcomes_of(read_finished(folder.path())), ElementsAre("deadlock", "unsupported"));
    EXPECT_THAT(read_finished(folder / "nothing"), IsEmpty());
}

TEST(MatrixRecordTest, OtherOverridesAreToldWithTheDifference) {
    const MatrixRecord begun{.scenarios = {"a"},
                             .overrides = {"memcg.limit=64MiB", "workload.work=1GiB"},
                             .kernels = {"6.1"},
                             .repeat = 2};
    const std::string json = to_json(begun);
    EXPECT_TRUE(check_same_overrides(json, begun));
    const MatrixRecord more{.scenarios = {"a", "b"},
                            .overrides = {"workload.work=2GiB", "workload.work=1GiB", "memcg.limit=64MiB"},
                            .kernels = {"6.1", "7.2"},
                            .repeat = 5};
    EXPECT_TRUE(check_same_overrides(json, more)) << "the last of a key is in force, whatever the order";
    const auto differs = check_same_overrides(
        json, {.overrides = {"memcg.limit=128MiB", "stack.upper=xfs"}, .kernels = {"6.1"}});
    ASSERT_FALSE(differs);
    EXPECT_EQ(differs.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(differs.error().message, HasSubstr("memcg.limit=64MiB then, memcg.limit=128MiB now; "
                                                   "workload.work=1GiB only then; stack.upper=xfs only now"));
    for (const auto* text : {"", "{}", "[]", R"({"overrides":"x"})"}) {
        EXPECT_FALSE(check_same_overrides(text, begun)) << text;
    }
}

TEST(MatrixRecordTest, TheFirstDifferenceOfTwoTexts) {
    EXPECT_EQ(first_difference("a = 1\nb = 2\n", "a = 1\nb = 2\n"), "");
    EXPECT_EQ(first_difference("a = 1\nb = 2\n", "a = 1\nb = 3\n"), "'b = 2' then, 'b = 3' now");
    EXPECT_EQ(first_difference("a = 1\n", "a = 1\nb = 3\n"), "'' then, 'b = 3' now");
}

TEST(MatrixKernelsTest, AreNamedByCommas) {
    EXPECT_THAT(*parse_kernels("5.10,6.1,host"), ElementsAre("5.10", "6.1", "host"));
    EXPECT_EQ(folder_name("/boot/vmlinuz:/"), "_boot_vmlinuz:_");
    for (const auto* list : {"", ",", "6.1,6.1", "6.1,..", "a/b,a_b"}) {
        const auto kernels = parse_kernels(list);
        ASSERT_FALSE(kernels) << list;
        EXPECT_EQ(kernels.error().kind, ErrorKind::invalid_input) << list;
        EXPECT_THAT(kernels.error().message, HasSubstr("--kernels"));
    }
}

std::string order_of(const std::vector<Cell>& cells) {
    std::string text;
    for (const auto& job : jobs_of(cells)) {
        text += fmt::format("{} {} {}; ", cells[job.cell].kernel, cells[job.cell].scenario, job.number);
    }
    return text;
}

TEST(MatrixJobsTest, EveryCellGetsItsFirstRunBeforeAnyItsSecond) {
    EXPECT_EQ(order_of({cell("host", "a", 1), cell("6.1", "a", 2), cell("7.2", "a", 2)}),
              "6.1 a 1; 7.2 a 1; 6.1 a 2; 7.2 a 2; host a 1; ");
}

TEST(MatrixJobsTest, OnlyWhatIsMissingIsMade) {
    auto given_up = cell("9.9", "a", 3);
    given_up.given_up = GivenUp{.reason = "no such kernel"};
    EXPECT_EQ(order_of({cell("6.1", "a", 3, {run_of("slow"), run_of("slow")}),
                        cell("6.1", "b", 1, {run_of("slow"), run_of("slow")}), given_up,
                        cell("7.2", "a", 3, {run_of("slow")})}),
              "7.2 a 2; 6.1 a 3; 7.2 a 3; ");
}

TEST(MatrixJobsTest, ARunOnThisMachineRunsAlone) {
    std::vector<Cell> cells{cell("6.1", "a", 9), cell("host", "a", 9)};
    EXPECT_TRUE(may_start(cells[0], cells, 2));
    EXPECT_TRUE(may_start(cells[1], cells, 2));
    cells[0].running = 1;
    EXPECT_TRUE(may_start(cells[0], cells, 2));
    EXPECT_FALSE(may_start(cells[1], cells, 2));
    cells[0].running = 2;
    EXPECT_FALSE(may_start(cells[0], cells, 2));
    cells[0].running = 0;
    cells[1].running = 1;
    EXPECT_FALSE(may_start(cells[0], cells, 2));
    EXPECT_FALSE(may_start(cells[1], cells, 2));
}

TEST(MatrixRoomTest, ProcessorsAndMemoryBoundTheGuests) {
    std::vector<scenario::Scenario> scenarios(2);
    scenarios[0].vm = {.memory = mebibytes(724), .cpus = 2};
    scenarios[1].vm = {.memory = mebibytes(512), .cpus = 4};
    // The largest guest takes 4 processors and 1 GiB.
    EXPECT_EQ(guests_at_once(scenarios, 16, gibibytes(100)), 4U);
    EXPECT_EQ(guests_at_once(scenarios, 16, gibibytes(4)), 3U);
    EXPECT_EQ(guests_at_once(scenarios, 2, gibibytes(100)), 1U);
    EXPECT_EQ(guests_at_once(scenarios, 16, Bytes{}), 1U);
    EXPECT_EQ(guests_at_once(scenarios, 0, gibibytes(100)), 1U);
    EXPECT_EQ(available_memory("MemTotal:  9 kB\nMemAvailable:   1024 kB\n"), mebibytes(1));
    EXPECT_EQ(available_memory("MemTotal:  9 kB\n"), Bytes{});
}

TEST(MatrixTextTest, ARun) {
    EXPECT_EQ(name_of(cell("6.1", "a", 3), 2), "6.1 a run 2/3");
    const auto text = [](const std::string& outcome, bool met, double seconds) {
        auto run = run_of(outcome, met);
        run.time = Seconds(seconds);
        return text_of(run);
    };
    EXPECT_EQ(text("deadlock", true, 92.4), "deadlock, recursion upper, met, 92 s");
    EXPECT_EQ(text("slow", false, 9), "slow, recursion upper, NOT MET, 9 s");
    EXPECT_EQ(text("unsupported", false, 1), "unsupported, recursion upper, not run, 1 s");
    EXPECT_EQ(text("harness_error", false, 1), "harness_error, recursion upper, not run, 1 s: why");
}

TEST(MatrixTextTest, ACell) {
    EXPECT_EQ(text_of(cell("6.1", "a", 2)), "0/2");
    auto some = cell("6.1", "a", 5, {run_of("deadlock"), run_of("slow", false), run_of("slow", false)});
    some.running = 1;
    EXPECT_EQ(text_of(some), "3/5: 2 slow, 1 deadlock; 2 NOT MET, running");
    some.running = 0;
    some.failed = {run_of("harness_error", false)};
    EXPECT_EQ(text_of(some), "3/5: 2 slow, 1 deadlock; 2 NOT MET, 1 harness_error");
    some.failed.clear();
    some.given_up = GivenUp{.code = ExitCode::unsupported, .reason = "no network"};
    EXPECT_EQ(text_of(some), "3/5: 2 slow, 1 deadlock; 2 NOT MET, unsupported");
    EXPECT_EQ(text_of(cell("6.1", "a", 1, {run_of("deadlock"), run_of("deadlock")})), "2 deadlock");
    EXPECT_EQ(text_of(cell("6.1", "a", 1, {run_of("unsupported", false)})), "1 unsupported");
}

TEST(MatrixTextTest, TheTableHasARowForAScenarioAndAColumnForAKernel) {
    auto no_kernel = cell("9.9", "a", 1);
    no_kernel.given_up = GivenUp{.code = ExitCode::usage, .reason = "no such kernel"};
    auto no_kernel_too = no_kernel;
    no_kernel_too.scenario = "bcd-control";
    EXPECT_THAT(table_of({cell("6.1", "a", 1, {run_of("deadlock")}), no_kernel, cell("6.1", "bcd-control", 1),
                          no_kernel_too}),
                ElementsAre("scenario     6.1         9.9",          //
                            "a            1 deadlock  unsupported",  //
                            "bcd-control  0/1         unsupported",  //
                            "9.9: no such kernel"));
}

// A run that a kernel does not support is a cell like others, with its reason.
TEST(MatrixTextTest, WhatIsUnsupportedHasItsReasonBelowTheTable) {
    auto unsupported = run_of("unsupported", false);
    unsupported.reason = "no module ublk_drv";
    EXPECT_THAT(table_of({cell("6.1", "a", 1, {unsupported}), cell("7.2", "a", 1, {run_of("slow")}),
                          cell("6.1", "b", 1, {unsupported})}),
                ElementsAre("scenario  6.1            7.2",     //
                            "a         1 unsupported  1 slow",  //
                            "b         1 unsupported",          //
                            "6.1: a, b: no module ublk_drv"));
}

// A stall, its control and its cure on 6.1; the cure and the control alone on 7.2.
std::vector<Cell> cells_with_cure() {
    std::vector<Cell> cells{
        cell("6.1", "stall", 1, {run_of("deadlock")}),    cell("6.1", "control", 1, {run_of("completes")}),
        cell("6.1", "cure", 1, {run_of("completes")}),    cell("7.2", "stall", 1),
        cell("7.2", "control", 1, {run_of("completes")}), cell("7.2", "cure", 1, {run_of("completes")})};
    for (const std::size_t i : {2U, 5U}) {
        cells[i].claim = {.cure = true, .baseline = "stall", .control = "control"};
    }
    return cells;
}

TEST(MatrixCureTest, IsSeenInItsOwnColumnOnly) {
    EXPECT_THAT(table_of(cells_with_cure()),
                ElementsAre("scenario  6.1                     7.2", "stall     1 deadlock              0/1",
                            "control   1 completes             1 completes",
                            "cure      1 completes; cure seen  1 completes; "
                            "cure unproven"));
    EXPECT_THAT(
        summary_of(cells_with_cure()),
        ElementsAre(
            "6.1, cure: cure seen: completes 1 of 1 (at least 5%), beside stall (1 deadlock "
            "of 1) and control (1 completes of 1); so many may be chance in 50%: --repeat proves it or "
            "not",
            "7.2, cure: cure unproven: its baseline stall was not run beside it"));
}

TEST(MatrixCureTest, AnotherCgroupVersionIsAnotherPlace) {
    auto cells = cells_with_cure();
    for (std::size_t i = 0; i < 3; ++i) {
        cells[i].finished[0].cgroup = "v1";
    }
    EXPECT_THAT(table_of(cells)[3], HasSubstr("cure seen"));
    cells[2].finished.push_back(run_of("completes"));
    cells[2].finished[1].cgroup = "v2";
    EXPECT_THAT(table_of(cells)[3], HasSubstr("cure      2 completes; cure unproven"));
    EXPECT_THAT(summary_of(cells)[1],
                "6.1 v2, cure: cure unproven: its baseline stall was not run beside it; its control control "
                "was not run beside it");
}

TEST(MatrixCureTest, JsonHasTheProofOfCuresOnly) {
    auto cells = cells_with_cure();
    for (auto& one : cells) {
        for (auto& run : one.finished) {
            run = *parse_run(verdict_text(run.outcome));
        }
    }
    const auto json = json_of(cells);
    EXPECT_THAT(json, ::testing::StartsWith("[" + verdict_text("deadlock") + ",\n"));
    EXPECT_THAT(
        json,
        HasSubstr(
            "\"proof_of_cure\": {\n    \"proven\": false,\n    \"missing\": [],\n    \"chance\": 0.5\n  }"));
    EXPECT_THAT(json, HasSubstr("\"missing\": [\n      \"its baseline stall was not run beside it\"\n    ]"));
}

// By the verdicts alone: a matrix goes on with what an earlier invocation left.
TEST(MatrixCostTest, IsReadFromTheVerdictsAndComparedInItsColumn) {
    const auto run = [](int throughput) {
        const auto text = fmt::format(
            R"({{"outcome":"completes","recursion":"none","met":true,"reasons":[],"leftovers":[],)"
            R"("cgroup_version":"v1","cost":{{"throughput_bytes_s":{},"steps":[],"enomem":null,)"
            R"("other_errors":null,"short_transfers":null,"oom_kills":0,"machine_oom_kills":0,)"
            R"("scanned_pages":null,"reclaimed_pages":null}}}})",
            throughput);
        return parse_run(text).value();
    };
    std::vector<Cell> cells{cell("6.1", "cure", 1, {run(25)}), cell("6.1", "control", 1, {run(50)}),
                            cell("7.2", "cure", 1, {run(25)})};
    for (auto& one : cells) {
        one.claim.control = "control";
    }
    EXPECT_THAT(summary_of(cells),
                ElementsAre(HasSubstr("6.1 v1, cure: cost against control: throughput 0.5,"),
                            HasSubstr("6.1 v1, control: cost: throughput 50"),
                            HasSubstr("7.2 v1, cure: cost: throughput 25")));
    const auto json = nlohmann::json::parse(json_of(cells));
    EXPECT_EQ(json[0]["cost_against_control"]["throughput"], 0.5);
    EXPECT_FALSE(json[1].contains("cost_against_control"));
    EXPECT_FALSE(json[2].contains("cost_against_control"));
}

TEST(MatrixSummaryTest, RepeatedRunsHaveBounds) {
    EXPECT_THAT(
        summary_of({cell("6.1", "a", 2, {run_of("deadlock"), run_of("deadlock")})}),
        ElementsAre("a: 2 deadlock of 2 (at least 22%); stalls 2 of 2 (at least 22%)", HasSubstr("95%")));
}

TEST(MatrixResultTest, TheGravestCounts) {
    std::vector<Cell> cells{cell("6.1", "a", 1, {run_of("deadlock")}), cell("7.2", "a", 1)};
    EXPECT_EQ(exit_code_of(cells), ExitCode::met);
    cells[1].given_up = GivenUp{.code = ExitCode::unsupported};
    EXPECT_EQ(exit_code_of(cells), ExitCode::unsupported);
    cells[0].finished.push_back(run_of("slow", false));
    EXPECT_EQ(exit_code_of(cells), ExitCode::differs);
    cells[1].failed.push_back(run_of("harness_error", false));
    EXPECT_EQ(exit_code_of(cells), ExitCode::harness_failed);
    cells[1].failed.clear();
    cells[0].finished.front().left_behind = true;
    EXPECT_EQ(exit_code_of(cells), ExitCode::harness_failed);
}

TEST(MatrixResultTest, JsonHoldsEveryVerdictThereIs) {
    std::vector<Cell> cells{cell("6.1", "a", 1), cell("7.2", "a", 1)};
    EXPECT_EQ(json_of(cells), "[]");
    cells[0].finished = {*parse_run(verdict_text("deadlock"))};
    cells[1].failed = {*parse_run(verdict_text("harness_error"))};
    EXPECT_EQ(json_of(cells), "[" + verdict_text("deadlock") + ",\n" + verdict_text("harness_error") + "]");
}

}  // namespace
}  // namespace reflux::run
