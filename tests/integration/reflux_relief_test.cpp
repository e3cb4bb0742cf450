// The relief ladder on real stalls: rungs are tried alone and in the order that is asked for, and what the
// upper filesystem acknowledged before the stall is read back after it.
#include "tests/integration/support/reflux_run.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

class ReliefTest : public RefluxTest {
  protected:
    // A stall, as quickly as it can be seen; smaller files are more files, so that some are acknowledged in
    // the second before it. With cgroup v2 the daemon may be slow and not stall: skipped.
    void stall_with(const std::string& rungs) {
        const Ran ran = run_reflux(fmt::format(
            "run fuse-ext4-shared-memcg --json --set judge.stall_window=4s --set relief.rung_time=1s "
            "--set workload.small_file=4KiB --set relief.rungs={} --out {}",
            rungs, out()));
        ASSERT_EQ(ran.code, 0) << ran.output << ran.errors;
        verdict_ = ran.verdict();
        evidence_ = evidence_of(verdict_);
        if (evidence_["stall"].is_null()) {
            GTEST_SKIP() << "no stall on this kernel: " << verdict_["outcome"];
        }
        reasons_ = verdict_["reasons"].get<std::vector<std::string>>();
        EXPECT_LT(verdict_["duration_s"], 60);
        EXPECT_EQ(verdict_["leftovers"], json::array());
    }

    [[nodiscard]] std::vector<std::string> tried() const {
        std::vector<std::string> names;
        for (const json& rung : evidence_["relief"]) {
            names.push_back(rung["rung"]);
        }
        return names;
    }

    // What an fsync had acknowledged was looked for, and found.
    void expect_acknowledged_data_is_there() const {
        const json& verification = evidence_["verification"];
        EXPECT_EQ(verification["mode"], "acknowledged");
        EXPECT_EQ(verification["done"], true) << verification;
        EXPECT_GT(verification["files_checked"], 0);
        EXPECT_EQ(verification["files_wrong"], 0) << verification;
        EXPECT_THAT(reasons_, Contains(HasSubstr(": all there")));
    }

    json verdict_;
    json evidence_;
    std::vector<std::string> reasons_;
};

TEST_F(ReliefTest, AnAbortRelievesAndLosesNothingThatWasAcknowledged) {
    stall_with("abort");
    if (HasFatalFailure() || IsSkipped()) {
        return;
    }
    EXPECT_EQ(tried(), std::vector<std::string>{"abort"});
    EXPECT_EQ(verdict_["relief"]["rung"], "abort");
    EXPECT_THAT(reasons_, Contains(StartsWith("relieved by abort after ")));
    const json& rung = evidence_["relief"][0];
    EXPECT_EQ(rung["released"], true);
    EXPECT_NEAR(rung["before"]["over_s"].get<double>(), 4, 0.001);
    EXPECT_EQ(rung["before"]["ios"], 0) << "nothing completed in the stall window";
    EXPECT_GT(rung["during"]["over_s"], 0);
    expect_acknowledged_data_is_there();
}

// Waiting changes nothing, so the stall is still there when the ladder ends; teardown breaks it up.
TEST_F(ReliefTest, AStallThatWasOnlyWaitedForIsNotRelieved) {
    stall_with("wait");
    if (HasFatalFailure() || IsSkipped()) {
        return;
    }
    if (verdict_["outcome"] != "deadlock") {
        GTEST_SKIP() << "a livelock may end by itself";
    }
    EXPECT_EQ(tried(), std::vector<std::string>{"wait"});
    EXPECT_EQ(verdict_["relief"], (json{{"rung", "none"}, {"after_s", nullptr}}));
    EXPECT_THAT(reasons_, Contains("not relieved: in vain wait"));
    const json& rung = evidence_["relief"][0];
    EXPECT_EQ(rung["during"]["ios"], 0);
    EXPECT_GE(rung["observed_s"], 1.0);
    expect_acknowledged_data_is_there();
}

TEST_F(ReliefTest, RungsAreTriedInTheOrderThatIsAskedFor) {
    const std::vector<std::string> wanted{"kill_workload", "raise_limit", "wait", "abort"};
    stall_with(fmt::format("{}", fmt::join(wanted, ",")));
    if (HasFatalFailure() || IsSkipped()) {
        return;
    }
    const auto names = tried();
    ASSERT_FALSE(names.empty());
    ASSERT_LE(names.size(), wanted.size());
    EXPECT_TRUE(std::equal(names.begin(), names.end(), wanted.begin())) << evidence_["relief"];
    // All but the last were in vain, and each says what it left behind, if anything.
    for (std::size_t i = 0; i + 1 < names.size(); ++i) {
        const json& rung = evidence_["relief"][i];
        EXPECT_EQ(rung["released"], false) << rung;
        EXPECT_EQ(rung["remains"] == "the workload is gone", names[i] == "kill_workload") << rung;
        EXPECT_GE(evidence_["relief"][i + 1]["begin_s"], rung["begin_s"].get<double>() + 1.0);
    }
    EXPECT_EQ(verdict_["relief"]["rung"], names.back());
    expect_acknowledged_data_is_there();
}

}  // namespace
}  // namespace reflux::test
