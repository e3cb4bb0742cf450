#include "harness/report/json.h"
#include "harness/report/text.h"
#include "tests/support/documented_keys.h"
#include "tests/unit/harness/verdict/fixture.h"

#include <regex>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reflux {
namespace {

using evidence::Evidence;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string explained(const Evidence& evidence) {
    return report::explain(evidence, verdict::judge(evidence));
}

// The same text before it was broken into lines.
std::string unbroken(const std::string& text) {
    return std::regex_replace(text, std::regex("\n {4,}"), " ");
}

nlohmann::json json_of(const Evidence& evidence) {
    return nlohmann::json::parse(report::verdict_json(evidence, verdict::judge(evidence), "/tmp/run"));
}

TEST(Explain, TellsADeadlockWhole) {
    const std::string text = unbroken(explained(testing::fixture("deadlock-v1-writeback")));
    EXPECT_THAT(text, StartsWith("fuse-ext4-shared-memcg: deadlock, recursion upper: "));
    EXPECT_THAT(text, HasSubstr("kernel 6.18.5, memcg v1 limit 64 MiB"));
    EXPECT_THAT(text, HasSubstr("no request completed from 8.4 s to 16.5 s"));
    EXPECT_THAT(text, HasSubstr("refluxd[4240] -> upper device 7:1"));
    EXPECT_THAT(text,
                HasSubstr("folio_wait_bit_common <- *folio_wait_writeback <- shrink_folio_list <- ... <- "
                          "*try_to_free_mem_cgroup_pages"));
    EXPECT_THAT(
        text,
        HasSubstr("kworker/u4:3+loop1[4302] -> connection 58: serves the upper device, waits for an answer"));
    EXPECT_THAT(text, HasSubstr("GFP_HIGHUSER_MOVABLE"));
    EXPECT_THAT(text, HasSubstr("relieved by abort after 0.1 s; in vain before it: wait, "));
    EXPECT_THAT(text, HasSubstr("expectation met: outcome deadlock or livelock, recursion upper\n"));
}

TEST(Explain, TellsThatItWasInAGuest) {
    Evidence evidence = testing::fixture("completes");
    EXPECT_THAT(explained(evidence), Not(HasSubstr("in a guest")));
    EXPECT_TRUE(json_of(evidence)["guest"].is_null());
    evidence.guest =
        evidence::Guest{.accelerator = "kvm", .kernel = "6.1", .boot_s = 2, .end = "ended", .detail = ""};
    EXPECT_THAT(explained(evidence), HasSubstr("in a guest (kvm)"));
    EXPECT_EQ(json_of(evidence)["guest"]["kernel"], "6.1");
}

TEST(Explain, SaysWhatDiffers) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.expected = {.outcome = {"completes"}, .recursion = {"none", "reclaim"}};
    EXPECT_THAT(
        unbroken(explained(evidence)),
        HasSubstr("expectation NOT met: expected outcome completes, recursion none or reclaim; found outcome "
                  "deadlock, recursion upper\n"));
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        lines.push_back(text.substr(at, end - at));
        at = end == std::string::npos ? text.size() : end + 1;
    }
    return lines;
}

constexpr std::size_t most_columns = 120;

class OfFixture : public ::testing::TestWithParam<std::string> {};

TEST_P(OfFixture, ExplainsInFewLinesThatFitAScreen) {
    const Evidence evidence = testing::fixture(GetParam());
    const verdict::Verdict verdict = verdict::judge(evidence);
    const std::string text = report::explain(evidence, verdict);
    const std::vector<std::string> lines = lines_of(text);
    EXPECT_LE(lines.size(), static_cast<std::size_t>(report::explain_max_lines)) << text;
    EXPECT_GE(lines.size(), 4U) << text;
    for (const std::string& line : lines) {
        EXPECT_LE(line.size(), most_columns) << line;
        EXPECT_FALSE(line.empty() || line.back() == ' ') << text;
    }
    EXPECT_TRUE(text.ends_with('\n'));
    EXPECT_THAT(text, StartsWith(evidence.scenario + ": "));
    EXPECT_THAT(text, HasSubstr("expectation"));
    // The first reason decides: the whole of it is there, or what fits into two lines.
    EXPECT_THAT(unbroken(text), HasSubstr(verdict.reasons.at(0).substr(0, 200)));
}

TEST_P(OfFixture, ExplainsADeadlockByItsCycle) {
    const Evidence evidence = testing::fixture(GetParam());
    const verdict::Verdict verdict = verdict::judge(evidence);
    const std::string text = unbroken(report::explain(evidence, verdict));
    EXPECT_EQ(verdict.outcome == verdict::Outcome::deadlock,
              text.find("\nwait cycle (") != std::string::npos);
    for (const std::string& edge : verdict.cycle) {
        EXPECT_THAT(text, HasSubstr("\n  " + edge.substr(0, edge.find(": ") + 2)));
    }
}

INSTANTIATE_TEST_SUITE_P(All, OfFixture, ::testing::ValuesIn(testing::fixture_names()),
                         testing::fixture_case_name);

TEST(Explain, KeepsItsLengthWithManyThreadsReasonsAndLineBreaks) {
    Evidence evidence = testing::fixture("deadlock-threads-inode-lock");
    for (auto& snapshot : evidence.stall->snapshots) {
        for (int i = 0; i < 40; ++i) {
            auto task = snapshot.tasks.at(3);
            task.tid = 5000 + i;
            snapshot.tasks.push_back(task);
        }
    }
    evidence.kernel_log = {"a\nb\nc\nd", std::string(5000, 'x')};
    evidence.leftovers = {"a", "b"};
    evidence.scenario = std::string(300, 's');
    evidence.engine = std::string(300, 'e');
    evidence.expected.outcome = std::vector<std::string>(50, "completes");
    const std::string text = explained(evidence);
    EXPECT_LE(std::ranges::count(text, '\n'), report::explain_max_lines) << text;
    EXPECT_THAT(text, HasSubstr("(and 40 more threads like it)"));
    EXPECT_THAT(text, HasSubstr("more in verdict.json)"));
    EXPECT_THAT(text, HasSubstr("connection 58 -> request 812"));
}

TEST(Explain, LetsNothingThroughToTheTerminal) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    for (auto& snapshot : evidence.stall->snapshots) {
        for (auto& task : snapshot.tasks) {
            task.name += "\x1b[2J\r\n";
        }
    }
    for (const char c : explained(evidence)) {
        EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
    }
}

TEST(Explain, NeverLeavesOutWhatReliefShowed) {
    Evidence evidence = testing::fixture("deadlock-threads-inode-lock");
    evidence.relief = {{.rung = "abort", .applied = true}};
    evidence.verification = {.done = true, .files_checked = 3, .files_wrong = 1, .mode = "acknowledged"};
    auto verdict = verdict::judge(evidence);
    verdict.reasons.insert(verdict.reasons.begin() + 1, 40, "one of many");
    const std::string text = report::explain(evidence, verdict);
    EXPECT_LE(std::ranges::count(text, '\n'), report::explain_max_lines) << text;
    EXPECT_THAT(text, HasSubstr("not relieved: in vain abort\n"));
    EXPECT_THAT(text, HasSubstr("LOST: 1 of 3 files"));
    EXPECT_THAT(text, HasSubstr("more in verdict.json)"));
    EXPECT_THAT(text, HasSubstr("\n  - no request completed from 8.4 s to 16.5 s"));
}

TEST(Explain, BlamesADaemonThatDidNotCome) {
    Evidence evidence = testing::fixture("harness-error");
    const auto first_line = [&evidence] { return lines_of(explained(evidence)).front(); };
    EXPECT_THAT(first_line(), HasSubstr("the harness failed"));
    evidence.harness_error.clear();
    evidence.daemon_failure = evidence::DaemonFailure{.command = "mydaemon", .ended = "exit 7"};
    EXPECT_EQ(first_line(), evidence.scenario +
                                ": the daemon did not come to serve (harness_error): nothing is known of the "
                                "stack");
}

TEST(Explain, BlamesADaemonThatEndedByItself) {
    EXPECT_THAT(lines_of(explained(testing::fixture("daemon-exited"))).front(),
                HasSubstr(": io_error, recursion none: the daemon ended by itself, and its device lost"));
}

TEST(Explain, DefaultEvidenceIsNoCrash) {
    EXPECT_THAT(explained({}), HasSubstr("inconclusive, recursion unknown"));
    EXPECT_THAT(report::one_line({}, {}), HasSubstr("inconclusive"));
}

TEST(OneLine, HasTheColumnsOfATable) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    const std::string line = report::one_line(evidence, verdict::judge(evidence));
    EXPECT_THAT(line, StartsWith("fuse-ext4-shared-memcg "));
    EXPECT_THAT(line, AllOf(HasSubstr(" deadlock "), HasSubstr(" upper "), HasSubstr(" abort 0.1 s "),
                            HasSubstr(" met")));
    EXPECT_THAT(line, Not(HasSubstr("\n")));
    evidence.expected.outcome = {"completes"};
    EXPECT_THAT(report::one_line(evidence, verdict::judge(evidence)), HasSubstr(" NOT MET"));
}

TEST(VerdictJson, HasTheContractsFields) {
    const nlohmann::json json = json_of(testing::fixture("deadlock-v1-writeback"));
    EXPECT_EQ(json.at("schema"), 1);
    EXPECT_EQ(json.at("scenario"), "fuse-ext4-shared-memcg");
    EXPECT_EQ(json.at("outcome"), "deadlock");
    EXPECT_EQ(json.at("recursion"), "upper");
    EXPECT_EQ(json.at("relief").at("rung"), "abort");
    EXPECT_DOUBLE_EQ(json.at("relief").at("after_s").get<double>(), 0.1);
    EXPECT_EQ(json.at("expected").at("outcome"), nlohmann::json({"deadlock", "livelock"}));
    EXPECT_EQ(json.at("expected").at("recursion"), nlohmann::json({"upper"}));
    EXPECT_EQ(json.at("met"), true);
    EXPECT_GE(json.at("reasons").size(), 3U);
    EXPECT_EQ(json.at("cycle").size(), 4U);
    EXPECT_GE(json.at("waiting").size(), 3U);
    EXPECT_EQ(json.at("run_dir"), "/tmp/run");
    EXPECT_DOUBLE_EQ(json.at("duration_s").get<double>(), 21.4);
    EXPECT_EQ(json.at("kernel"), "6.18.5");
    EXPECT_EQ(json.at("proof").at("tid"), 4240);
    EXPECT_EQ(json.at("proof").at("state"), "D");
    EXPECT_EQ(json.at("proof").at("stack").at(1), "folio_wait_writeback");
    EXPECT_EQ(json.at("proof").at("gfp_flags"), "GFP_HIGHUSER_MOVABLE");
    EXPECT_EQ(json.at("proof").at("upper_events"), 1);
}

TEST(VerdictJson, UnknownsAreNullAndListsStayLists) {
    const nlohmann::json json = json_of(testing::fixture("unsupported-mitigation-not-applied"));
    EXPECT_TRUE(json.at("recursion").is_null());
    EXPECT_TRUE(json.at("relief").is_null());
    EXPECT_TRUE(json.at("proof").is_null());
    EXPECT_TRUE(json.at("cycle").is_array());
    EXPECT_TRUE(json.at("expected").at("outcome").is_array());
    EXPECT_EQ(json.at("mitigations").at(0).at("applied"), false);
}

TEST(VerdictJson, ALadderThatReleasedNothingHasNoTime) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.relief.back().released = false;
    const nlohmann::json relief = json_of(evidence).at("relief");
    EXPECT_EQ(relief.at("rung"), "none");
    EXPECT_TRUE(relief.at("after_s").is_null());
}

TEST(VerdictJson, EveryFixtureHasTheSameFields) {
    std::set<std::string> shapes;
    for (const std::string& name : testing::fixture_names()) {
        std::string shape;
        const nlohmann::json json = json_of(testing::fixture(name));
        for (const auto& [key, value] : json.items()) {
            shape += key + " ";
        }
        shapes.insert(shape);
    }
    EXPECT_EQ(shapes.size(), 1U);
}

TEST(VerdictJson, OfACureInABatchHasItsProof) {
    const std::string json = report::verdict_json(testing::fixture("completes"), {}, "/tmp/run");
    EXPECT_FALSE(nlohmann::json::parse(json).contains("proof_of_cure"));
    const verdict::ProofOfCure unproven{.proven = false, .missing = {"its baseline"}};
    const auto once = report::with_proof(json, unproven);
    EXPECT_TRUE(once.starts_with(json.substr(0, json.size() - 2))) << "what was there stays as it is";
    EXPECT_EQ(nlohmann::json::parse(once).at("proof_of_cure"),
              nlohmann::json({{"proven", false}, {"missing", {"its baseline"}}, {"chance", 1.0}}));
    const auto again = nlohmann::json::parse(report::with_proof(once, {.proven = true, .chance = 0.25}));
    EXPECT_EQ(again.at("proof_of_cure"),
              nlohmann::json({{"proven", true}, {"missing", nlohmann::json::array()}, {"chance", 0.25}}));
}

TEST(VerdictJson, ItsCostIsReadBackAsItWasWritten) {
    Evidence evidence = testing::fixture("completes");
    EXPECT_TRUE(json_of(evidence)["cost"].is_null());
    const auto text = [&evidence] { return report::verdict_json(evidence, {}, "/tmp/run"); };
    EXPECT_FALSE(report::cost_in(text()));
    evidence.cost.emplace().workload =
        evidence::WorkloadCost{2, 100, 20, {{"sync", 9, 1, 0.1, 0.2, 0.3, 0.4}}};
    evidence.cost->daemon = evidence::DaemonIo{5, 6, {{"ENOMEM", 7}, {"EIO", 8}}};
    evidence.cost->oom_kills = 3;
    const auto cost = report::cost_in(text());
    ASSERT_TRUE(cost);
    EXPECT_EQ(cost->throughput_bytes_s, 60);
    EXPECT_EQ(cost->steps.at(0).kind, "sync");
    EXPECT_EQ(cost->steps.at(0).unfinished, 1U);
    EXPECT_EQ(cost->steps.at(0).p99_s, 0.2);
    EXPECT_EQ(cost->steps.at(0).longest_s, 0.4);
    EXPECT_EQ(cost->enomem, 7U);
    EXPECT_EQ(cost->other_errors, 8U);
    EXPECT_EQ(cost->short_transfers, 6U);
    EXPECT_EQ(cost->oom_kills, 3U);
    EXPECT_FALSE(cost->machine_oom_kills) << "not measured";
    for (const auto* other : {"", "[]", "{}", R"({"cost":3})", R"({"cost":{"steps":[]}})"}) {
        EXPECT_FALSE(report::cost_in(other)) << other;
    }
}

TEST(VerdictJson, OfARunBesideItsControlHasTheRatio) {
    const std::string json = report::verdict_json(testing::fixture("completes"), {}, "/tmp/run");
    EXPECT_EQ(report::with_cost(json, {.scenario = "alone"}), json);
    const auto with = nlohmann::json::parse(report::with_cost(
        json, {.runs = 2, .control = "c", .control_runs = 1, .throughput = 0.5, .p99 = {{"sync", 3.5}}}));
    EXPECT_EQ(with.at("cost_against_control"),
              nlohmann::json({{"control", "c"},
                              {"control_runs", 1},
                              {"runs", 2},
                              {"throughput", 0.5},
                              {"p99", {{{"kind", "sync"}, {"ratio", 3.5}}}}}));
}

TEST(VerdictJson, BytesThatAreNotUtf8AreReplaced) {
    Evidence evidence = testing::fixture("completes");
    evidence.kernel_log = {"comm \xff odd"};
    EXPECT_NO_THROW(json_of(evidence));
}

// Found by fuzzing: names come from outside.
TEST(OneLine, IsOneLineOfPrintableText) {
    Evidence evidence = testing::fixture("completes");
    evidence.scenario = "a\nb\x1b[2J";
    const std::string line = report::one_line(evidence, verdict::judge(evidence));
    EXPECT_THAT(line, StartsWith("a b [2J"));
    EXPECT_THAT(explained(evidence), StartsWith("a b [2J: "));
}

TEST(Explain, DoesNotCutInTheMiddleOfACharacter) {
    for (std::string error : {"x", "xy"}) {  // one of them has the limit in the middle
        while (error.size() < 600) {
            error += "\xc3\xa9";
        }
        Evidence evidence;
        evidence.harness_error = error;
        EXPECT_THAT(explained(evidence), HasSubstr("\xc3\xa9...\n"));
    }
}

TEST(VerdictJson, EveryKeyIsDocumentedOnceAndNoOther) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.mitigations = {{.name = "io_flusher", .applied = true, .detail = ""}};
    evidence.guest.emplace().end = "ended";
    evidence.trace.overhead.emplace();
    evidence.cost.emplace().workload.emplace().latencies.emplace_back();
    evidence.oom_victims.emplace_back();
    const auto written = test::keys_of(json_of(evidence));
    EXPECT_TRUE(written.contains("proof.tid") && written.contains("relief.rung") &&
                written.contains("recursion_proof.tid") && written.contains("trace_overhead.ratio"))
        << "it is to show all keys";
    EXPECT_THAT(test::documented_keys(REFLUX_SOURCE_DIR "/docs/evidence.md", "verdict.json"),
                ::testing::UnorderedElementsAreArray(written));
}

}  // namespace
}  // namespace reflux
