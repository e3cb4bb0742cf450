// The main job on this host: stalls that really stall, controls and cures beside them, and a machine left as
// it was.
#include "tests/integration/support/reflux_run.h"

#include "backend/base/kernel_file.h"

#include <algorithm>
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using nlohmann::json;
using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class RunTest : public RefluxTest {
  protected:
    Ran run(const std::string& arguments, Seconds time = Seconds(150)) {
        return run_reflux(fmt::format("run --json --out {} {}", out(), arguments), time);
    }

    // A stall of the daemon in reclaim, with its proof.
    static void expect_stall(const Ran& ran) {
        ASSERT_EQ(ran.code, 0) << ran.output << ran.errors;
        expect_stall(ran.verdict());
    }
    static void expect_stall(const json& verdict) {
        if (text_of(verdict["cgroup_version"]) == "v2") {
            // Dirty throttling comes first there: [expect_v2] of the scenario says what is predicted.
            EXPECT_THAT(text_of(verdict["outcome"]), AnyOf("livelock", "slow"));
            return;
        }
        EXPECT_THAT(text_of(verdict["outcome"]), AnyOf("deadlock", "livelock"));
        EXPECT_EQ(text_of(verdict["recursion"]), "upper");
        EXPECT_TRUE(verdict["met"]);
        EXPECT_GT(verdict["proof"]["tid"], 0);
        EXPECT_THAT(text_of(verdict["proof"]["gfp_flags"]), HasSubstr("GFP_"));
        EXPECT_GT(verdict["proof"]["reclaims"], 0);
        EXPECT_GT(verdict["proof"]["upper_events"], 0);
        EXPECT_THAT(verdict["proof"]["stack"].get<std::vector<std::string>>(),
                    Contains(HasSubstr("try_to_free_mem_cgroup_pages")));
        EXPECT_LT(verdict["duration_s"], 60);
        expect_answers_in_stall(evidence_of(verdict));
    }

    // The daemon's memory is used up and its I/O thread sleeps in reclaim, and all the same its control
    // socket answers: within 1 s when the stall is kept, within 0.2 s at a tick.
    static void expect_answers_in_stall(const json& evidence) {
        if (evidence["kernel_log"].dump().find("(refluxd") != std::string::npos) {
            return;  // killed for lack of memory: only the sleeping thread is left of it
        }
        const json& stall = evidence["stall"];
        EXPECT_TRUE(stall["daemon"]["answered"]);
        // Its list of requests may be empty: it may sit in reclaim while it takes one (a page of its own
        // under fuse_dev_read); the connection counts that one.
        const double full = 0.9 * evidence["limits"]["memcg_limit_bytes"].get<double>();
        const auto& points = evidence["progress"];
        EXPECT_TRUE(std::any_of(points.begin(), points.end(), [&](const json& point) {
            return point["at_s"] > stall["last_completion_s"] && point["at_s"] <= stall["detected_s"] &&
                   point["memcg_usage_bytes"] > full && point["daemon_completed"].is_number() &&
                   point["fuse_waiting"] > 0;
        })) << points;
    }

    static void expect_completes(const Ran& ran) {
        ASSERT_EQ(ran.code, 0) << ran.output << ran.errors;
        expect_completes(ran.verdict());
    }
    static void expect_completes(const json& verdict) {
        EXPECT_EQ(text_of(verdict["outcome"]), "completes");
        const json evidence = evidence_of(verdict);
        EXPECT_TRUE(evidence["workload"]["finished"]);
        EXPECT_TRUE(evidence["verification"]["done"]);
        EXPECT_GT(evidence["verification"]["bytes_checked"], 1000000);
        EXPECT_EQ(evidence["verification"]["files_wrong"], 0);
    }
};

// Of a batch of a cure, its baseline and their control.
void expect_costs(const json& verdicts) {
    for (const std::size_t i : {0U, 1U}) {
        const json& against = verdicts[i]["cost_against_control"];
        EXPECT_EQ(against["control"], "fuse-ext4-shared-memcg-control");
        EXPECT_GT(against["throughput"], 0);
        EXPECT_FALSE(against["p99"].empty());
    }
    const json& cure = verdicts[0]["cost"];
    const json& stall = verdicts[1]["cost"];
    const json& control = verdicts[2]["cost"];
    EXPECT_FALSE(verdicts[2].contains("cost_against_control"));
    for (const json* cost : {&cure, &control}) {
        EXPECT_GT((*cost)["throughput_bytes_s"], 1 << 20);
        EXPECT_EQ((*cost)["enomem"], 0);
        EXPECT_EQ((*cost)["oom_kills"], 0);
        EXPECT_EQ((*cost)["scanned_pages"], 0) << "nothing presses on the daemon";
        EXPECT_EQ((*cost)["steps"].size(), 6U);
        for (const json& step : (*cost)["steps"]) {
            EXPECT_EQ(step["unfinished"], 0) << step;
            EXPECT_GE(step["longest_s"], step["p99_s"]) << step;
        }
    }
    EXPECT_GT(stall["scanned_pages"], 0);
    EXPECT_GE(stall["scanned_pages"], stall["reclaimed_pages"]);
    if (text_of(verdicts[1]["outcome"]) == "deadlock") {
        // What hung at the end was not passed over.
        const auto longest = std::ranges::max(
            stall["steps"], {}, [](const json& step) { return step["longest_s"].get<double>(); });
        EXPECT_GE(longest["longest_s"], 7) << "the stall window is 8 s";
        EXPECT_GT(longest["unfinished"], 0);
        EXPECT_LT(verdicts[1]["cost_against_control"]["throughput"], 1);
    }
}

// A daemon outside of the limit: in one batch with the stall without that, and with its control.
TEST_F(RunTest, Ext4StallsItsControlCompletesAndBothShowTheCure) {
    // Not a test of speed: three runs in a row meet whatever else the machine does.
    const Ran ran = run("fuse-ext4-own-cgroup --with-baseline --set judge.time_budget=90s", Seconds(280));
    ASSERT_EQ(ran.code, 0) << ran.output << ran.errors;
    const auto verdicts = json::parse(ran.output, nullptr, false);
    ASSERT_TRUE(verdicts.is_array() && verdicts.size() == 3) << ran.output;
    EXPECT_EQ(text_of(verdicts[0]["scenario"]), "fuse-ext4-own-cgroup");
    expect_completes(verdicts[0]);
    EXPECT_EQ(verdicts[0]["proof_of_cure"],
              json({{"proven", false}, {"missing", json::array()}, {"chance", 0.5}}));
    EXPECT_EQ(text_of(verdicts[1]["scenario"]), "fuse-ext4-shared-memcg");
    expect_stall(verdicts[1]);
    EXPECT_FALSE(verdicts[1].contains("proof_of_cure"));
    EXPECT_EQ(text_of(verdicts[2]["scenario"]), "fuse-ext4-shared-memcg-control");
    expect_completes(verdicts[2]);
    expect_costs(verdicts);
    // How little it is holds for a quiet machine: docs/results.md has that.
    EXPECT_EQ(verdicts[2]["trace_overhead"]["blocks"], 4);
    EXPECT_GT(verdicts[2]["trace_overhead"]["without_bytes_s"], 0);
    EXPECT_TRUE(verdicts[0]["trace_overhead"].is_null()) << "there is pressure";
}

// The whole of it, many times: REFLUX_SOAK=20 sudo -E build/tests/root_reflux_run_test
// --gtest_filter=*ManyInARow
TEST_F(RunTest, ManyInARow) {
    const char* wanted = std::getenv("REFLUX_SOAK");
    if (wanted == nullptr) {
        GTEST_SKIP() << "takes minutes; set REFLUX_SOAK to the number of stalls and controls in a row";
    }
    for (int i = 0; i < std::stoi(wanted); ++i) {
        const auto before = take_inventory();
        expect_stall(run("fuse-ext4-shared-memcg"));
        expect_completes(run("fuse-ext4-shared-memcg-control"));
        EXPECT_EQ(left_behind(before), "") << "after pair " << i;
    }
}

TEST_F(RunTest, XfsStallsAndItsControlCompletes) {
    REFLUX_LONG_TEST();
    expect_stall(run("fuse-xfs-shared-memcg"));
    expect_completes(run("fuse-xfs-shared-memcg-control --set observe.trace_overhead=off"));
}

TEST_F(RunTest, TheLoopDriverInTheDaemonsPlaceCompletes) {
    expect_completes(run("loop-ext4-shared-memcg"));
}

TEST_F(RunTest, AMitigationThatCannotBeAppliedIsNeverASilentRun) {
    const Ran ran = run("fuse-ext4-io-flusher");
    const json verdict = ran.verdict();
    if (ran.code == 3) {
        EXPECT_EQ(text_of(verdict["outcome"]), "unsupported");
        EXPECT_THAT(verdict["reasons"].dump(), HasSubstr("CAP_SYS_RESOURCE"));
        return;
    }
    EXPECT_EQ(ran.code, 0) << ran.output << ran.errors;
    ASSERT_EQ(verdict["mitigations"].size(), 1U);
    EXPECT_TRUE(verdict["mitigations"][0]["applied"]);
    EXPECT_THAT(text_of(verdict["mitigations"][0]["detail"]), HasSubstr("every thread"));
}

TEST_F(RunTest, AWrongExpectationExitsOneAndSaysWhatDiffers) {
    const auto file =
        scenario("wrong",
                 "base = \"fuse-ext4-shared-memcg\"\nquestion = \"q\"\n[memcg]\nplacement = \"apart\"\n"
                 "[workload]\nwork = \"200MiB\"\n[expect]\noutcome = [\"deadlock\"]\n");
    const Ran ran =
        run_shell(fmt::format("cp {}/harness/scenarios/*.toml {} && exec \"$REFLUX\" run {} --out {}",
                              REFLUX_SOURCE_DIR, folder_.path(), file, out()));
    EXPECT_EQ(ran.code, 1) << ran.output << ran.errors;
    EXPECT_THAT(ran.output, HasSubstr("expectation NOT met: expected outcome deadlock"));
    EXPECT_THAT(ran.output, HasSubstr("found outcome completes"));
}

TEST_F(RunTest, ExplainJudgesASavedRunAgainWithoutRoot) {
    const Ran ran = run("fuse-ext4-shared-memcg");
    ASSERT_EQ(ran.code, 0) << ran.output << ran.errors;
    const std::string saved = text_of(ran.verdict()["run_dir"]);
    const Ran again =
        run_shell(fmt::format("chmod a+rx {} {} && exec setpriv --reuid=65534 --regid=65534 --clear-groups "
                              "\"$REFLUX\" explain {}",
                              folder_.path(), out(), saved));
    EXPECT_EQ(again.code, 0) << again.errors;
    const std::string brief = *read_file(saved + "/verdict.txt");
    EXPECT_THAT(again.output, ::testing::StartsWith(brief.substr(0, brief.find(','))));
    EXPECT_GT(again.output.size(), brief.size());
    EXPECT_THAT(again.output, Not(HasSubstr("more in verdict.json)")));
    const Ran graph = run_reflux("explain --dot " + saved);
    EXPECT_THAT(graph.output, ::testing::StartsWith("digraph wait {\n"));
    EXPECT_EQ(graph.output, *read_file(saved + "/wait-graph.dot"));
}

TEST_F(RunTest, RepeatsAreCountedAndACureAloneIsUnproven) {
    const Ran ran = run_reflux(
        fmt::format("run fuse-ext4-own-cgroup --set workload.work=200MiB --repeat 2 --out {}", out()));
    EXPECT_EQ(ran.code, 0) << ran.output << ran.errors;
    EXPECT_THAT(ran.output, HasSubstr("met, cure unproven\n"));
    EXPECT_THAT(ran.output,
                HasSubstr("\nfuse-ext4-own-cgroup: 2 completes of 2 (at least 22%); stalls 0 of 2 "
                          "(at most 78%)\n"));
    EXPECT_THAT(ran.output, HasSubstr("\nfuse-ext4-own-cgroup: cure unproven: its baseline "
                                      "fuse-ext4-shared-memcg was not run beside it; its control "));
}

}  // namespace
}  // namespace reflux::test
