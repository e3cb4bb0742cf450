// What each format says of which verdict; that the whole is well-formed,
// tests/integration/report_formats_test.cpp asks validators that are not ours.
#include "harness/report/machine/formats.h"

#include "backend/base/child.h"
#include "harness/report/machine/cases.h"
#include "tests/unit/harness/report/report_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reflux::report::machine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Run run_of(const std::string& scenario, const std::string& outcome, bool met,
           const std::string& kernel = "6.1.0") {
    static const auto facts = std::make_shared<const ScenarioFacts>(ScenarioFacts{.definition = "defined"});
    return {.folder = "/runs/" + kernel + "/" + scenario + "-20261122T023023-1",
            .began = "2026-11-22 02:30:23",
            .verdict = {.scenario = scenario,
                        .outcome = outcome,
                        .recursion = "upper",
                        .reasons = {"because of <this> & \"that\"\x01", "and # more"},
                        .expected = {.outcome = {"completes"}, .recursion = {}},
                        .met = met,
                        .duration_s = 1.5,
                        .kernel = kernel,
                        .guest = evidence::Guest{.accelerator = "kvm", .kernel = "6.1"}},
            .fingerprint = 0xab,
            .facts = facts};
}

Report report_of(std::vector<Run> runs) {
    Report report{.found = {.runs = std::move(runs)}};
    report.counted = count(report.found.runs);
    return report;
}

// One of each, on two kernels that come by turns.
Report mixed() {
    auto nothing_expected = run_of("g", "deadlock", true);
    nothing_expected.verdict.expected = {};
    auto left_behind = run_of("f", "completes", true);
    left_behind.verdict.leftovers = {"a mount"};
    return report_of({run_of("a", "completes", true), run_of("b", "deadlock", false, "7.2.0"),
                      run_of("c", "unsupported", false), run_of("d", "harness_error", false),
                      run_of("e", "inconclusive", false), left_behind, nothing_expected});
}

TEST(MachineCasesTest, AMetExpectationPassesWhateverTheOutcomeIs) {
    std::vector<Status> statuses;
    for (const auto& run : mixed().found.runs) {
        statuses.push_back(status_of(run.verdict));
    }
    EXPECT_THAT(statuses, ElementsAre(Status::passed, Status::failed, Status::skipped, Status::broken,
                                      Status::failed, Status::broken, Status::unjudged));
    EXPECT_EQ(status_of(run_of("a", "deadlock", true).verdict), Status::passed);
    EXPECT_EQ(status_of(run_of("a", "inconclusive", true).verdict), Status::passed);
}

TEST(MachineCasesTest, AreInTheirKernelsAndRepeatedRunsHaveNumbers) {
    const auto report = report_of({run_of("a", "completes", true), run_of("a", "completes", true, "7.2.0"),
                                   run_of("a", "deadlock", false), run_of("b", "completes", true)});
    std::vector<std::string> names;
    for (const auto& one : cases_of(report)) {
        names.push_back(one.kernel + " " + one.name);
    }
    EXPECT_THAT(names, ElementsAre("6.1.0 a", "6.1.0 a run 2", "6.1.0 b", "7.2.0 a"));
    EXPECT_THAT(cases_of(report)[1].summary,
                HasSubstr("deadlock, recursion upper, where completes was expected: because of"));
}

// A run of "SCENARIO+MITIGATION" of the command line, which expects nothing.
Run cure_of(const std::string& outcome, const std::string& baseline, const std::string& kernel = "6.1.0") {
    auto run = run_of(baseline + "+io_flusher", outcome, true, kernel);
    run.verdict.expected = {};
    run.facts = std::make_shared<const ScenarioFacts>(
        ScenarioFacts{.claim = {.cure = true, .baseline = baseline, .control = ""}, .definition = "cure"});
    return run;
}

TEST(MachineCasesTest, ACureFailsThatStallsAsItsBaselineDoes) {
    auto baseline = run_of("a", "deadlock", true);
    baseline.verdict.expected.outcome = {"deadlock"};
    baseline.facts = std::make_shared<const ScenarioFacts>(ScenarioFacts{.definition = "baseline"});
    const auto report = report_of({baseline, cure_of("livelock", "a"), cure_of("completes", "a"),
                                   cure_of("livelock", "a", "7.2.0"), cure_of("livelock", "b")});
    std::vector<std::string> told;
    for (const auto& one : cases_of(report)) {
        told.push_back(fmt::format("{} {}: {:d} {}", one.kernel, one.name, one.status == Status::failed,
                                   one.summary.substr(0, one.summary.find(','))));
    }
    EXPECT_THAT(told, ElementsAre("6.1.0 a: 0 deadlock", "6.1.0 a+io_flusher: 1 it does not cure a: livelock",
                                  "6.1.0 a+io_flusher run 2: 0 nothing expected: completes",
                                  "6.1.0 b+io_flusher: 0 nothing expected: livelock",
                                  "7.2.0 a+io_flusher: 0 nothing expected: livelock"));
    EXPECT_THAT(junit(report), HasSubstr("<failure type=\"livelock\" message=\"it does not cure a: "));
    EXPECT_EQ(nlohmann::json::parse(kcidb(report))["tests"][std::size_t{1}]["status"], "FAIL");
}

TEST(MachineCasesTest, ARunOfWhichOnlyRecursionIsExpectedIsJudged) {
    auto run = run_of("a", "slow", true);
    run.verdict.expected = {.outcome = {}, .recursion = {"upper"}};
    EXPECT_EQ(status_of(run.verdict), Status::passed);
    run.verdict.met = false;
    EXPECT_EQ(status_of(run.verdict), Status::failed);
    EXPECT_EQ(run.verdict.expected_words(), "any outcome, recursion upper");
}

TEST(JsonTest, TellsWhichDefinitionARunIsOf) {
    const test::TemporaryFolder folder;
    for (int i = 0; i < 3; ++i) {
        const auto name = fmt::format("a-20260101T00000{}-1", i);
        folder.write(name + "/verdict.json",
                     reflux::testing::verdict_text("a", i == 2 ? "slow" : "deadlock"));
        folder.write(name + "/a.toml",
                     fmt::format("calm\n[memcg]\nlimit = \"{}\"\n", i == 2 ? "1GiB" : "64MiB"));
    }
    const auto json = nlohmann::json::parse(machine::json(reflux::testing::report_of({folder.path()})));
    ASSERT_EQ(json.size(), 3U);
    for (const auto& verdict : json) {
        EXPECT_EQ(verdict.value("counted_as", ""),
                  verdict["outcome"] == "slow" ? "a [memcg.limit=1GiB]" : "");
    }
}

TEST(JunitTest, HasASuiteForEachKernelAndCountsThem) {
    const auto xml = junit(mixed());
    EXPECT_THAT(xml,
                HasSubstr("<testsuites name=\"reflux\" tests=\"7\" failures=\"2\" errors=\"2\" skipped=\"2\" "
                          "time=\"10.500\">"));
    EXPECT_THAT(xml,
                HasSubstr("<testsuite name=\"6.1.0\" tests=\"6\" failures=\"1\" errors=\"2\" skipped=\"2\" "
                          "time=\"9.000\" timestamp=\"2026-11-22T02:30:23\">"));
    EXPECT_THAT(xml, HasSubstr("<testsuite name=\"7.2.0\" tests=\"1\" failures=\"1\" errors=\"0\""));
    EXPECT_THAT(xml, HasSubstr("<testcase classname=\"reflux.7.2.0\" name=\"b\" time=\"1.500\">\n"
                               "      <failure type=\"deadlock\" message=\"deadlock, recursion upper"));
    EXPECT_THAT(xml,
                HasSubstr("<skipped message=\"unsupported, recursion upper: because of &lt;this&gt; &amp; "
                          "&quot;that&quot;␁\"/>"));
    EXPECT_THAT(xml, HasSubstr("<skipped message=\"nothing expected: deadlock, recursion upper: because"));
    EXPECT_THAT(xml, HasSubstr("<error type=\"harness_error\""));
    EXPECT_THAT(xml, HasSubstr("<error type=\"left_behind\" message=\"left behind 1 object; completes, rec"));
    EXPECT_THAT(xml, HasSubstr("left behind: a mount"));
    EXPECT_THAT(xml, Not(HasSubstr("\x01")));
}

TEST(TapTest, HasALineAndABlockForEach) {
    const auto text = tap(mixed());
    EXPECT_THAT(text,
                ::testing::StartsWith("TAP version 13\n1..7\nok 1 - 6.1.0 a\n  ---\n  message: \"completes"));
    EXPECT_THAT(
        text,
        HasSubstr("ok 2 - 6.1.0 c # SKIP unsupported, recursion upper: because of <this> & \"that\"␁\n"));
    EXPECT_THAT(text, HasSubstr("not ok 3 - 6.1.0 d\n"));
    EXPECT_THAT(text, HasSubstr("\nok 6 - 6.1.0 g # SKIP nothing expected: deadlock, recursion upper: bec"));
    EXPECT_THAT(text, HasSubstr("not ok 7 - 7.2.0 b\n"));
    EXPECT_THAT(text, HasSubstr("  severity: \"error\"\n"));
    EXPECT_THAT(text, HasSubstr("  outcome: \"deadlock\"\n"));
    EXPECT_THAT(text, HasSubstr("\"and # more\"")) << "in a block it is text";
}

TEST(KcidbTest, SaysWhatItsStatusesMean) {
    const auto json = nlohmann::json::parse(kcidb(mixed()));
    EXPECT_EQ(json["version"]["major"], 5);
    EXPECT_EQ(json["builds"].size(), 2U);
    std::vector<std::string> statuses;
    for (const auto& test : json["tests"]) {
        statuses.push_back(test["status"]);
    }
    EXPECT_THAT(statuses, ElementsAre("PASS", "SKIP", "MISS", "ERROR", "ERROR", "DONE", "FAIL"));
    const auto& test = json["tests"][std::size_t{0}];
    EXPECT_EQ(test["id"], "reflux:6.1.0/a-20261122T023023-1-00000000000000ab");
    EXPECT_EQ(test["build_id"], json["builds"][0]["id"]);
    EXPECT_EQ(test["start_time"], "2026-11-22T02:30:23+00:00");
    EXPECT_EQ(test["path"], "reflux.a");
    EXPECT_EQ(test["environment"]["comment"], "a virtual machine (kvm)");
}

TEST(KcidbTest, RunsOfTheSameSecondOnTwoMachinesHaveIdsOfTheirOwn) {
    auto other = run_of("a", "slow", true);
    other.fingerprint = 0xcd;
    const auto json = nlohmann::json::parse(kcidb(report_of({run_of("a", "slow", true), other})));
    EXPECT_NE(json["tests"][std::size_t{0}]["id"], json["tests"][std::size_t{1}]["id"]);
}

TEST(KcidbTest, APathHasNoOtherCharactersThanItMay) {
    const auto json = nlohmann::json::parse(kcidb(report_of({run_of("a.b+io_flusher", "slow", true)})));
    EXPECT_EQ(json["tests"][std::size_t{0}]["path"], "reflux.a_b_io_flusher");
}

TEST(MachineFormatsTest, TextOfVerdictsAndFoldersDoesNothing) {
    const auto& hostile = reflux::testing::hostile;
    std::vector<report::Run> runs;
    for (const auto* outcome : {"deadlock", "unsupported", "harness_error", "completes"}) {
        auto run = run_of(hostile, outcome, false, hostile);
        run.verdict.reasons = {hostile, hostile};
        run.verdict.expected.outcome = {hostile};
        runs.push_back(run);
    }
    const auto report = report_of(runs);
    const test::TemporaryFolder folder;
    folder.write("junit.xml", junit(report));
    const auto lint = run_command({"xmllint", "--noout", "--nonet", folder / "junit.xml"}, Seconds(20));
    ASSERT_TRUE(lint) << lint.error().message << " (scripts/install-deps has it)";
    EXPECT_TRUE(lint->exit && lint->exit->ok()) << lint->output;
    EXPECT_TRUE(nlohmann::json::accept(kcidb(report)));
    const auto lines = split(tap(report), '\n');
    EXPECT_EQ(std::ranges::count_if(lines, [](const auto& line) { return line.find("ok ") < 5; }), 4);
    EXPECT_TRUE(nlohmann::json::accept(nlohmann::json(tap(report)).dump())) << "it is UTF-8";
}

TEST(MachineFormatsTest, OfNoRunsTheyAreEmptyAndWhole) {
    const auto report = report_of({});
    EXPECT_EQ(json(report), "[]\n");
    EXPECT_EQ(tap(report), "TAP version 13\n1..0\n");
    EXPECT_THAT(junit(report), HasSubstr("tests=\"0\""));
    EXPECT_EQ(nlohmann::json::parse(kcidb(report))["tests"].size(), 0U);
}

}  // namespace
}  // namespace reflux::report::machine
