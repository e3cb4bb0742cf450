// Runs with a fault injected on purpose, and runs on a busy machine: each is called by its own name, for its
// own reason. Windows are short, for what is tried is the name and not the patience.
#include "backend/base/child.h"
#include "tests/integration/support/reflux_run.h"

#include <csignal>
#include <cstdlib>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

using Reasons = std::vector<std::string>;

class FaultsTest : public RefluxTest {
  protected:
    // The verdict of a run that meets its expectation.
    [[nodiscard]] json run(const std::string& scenario_name, const std::string& more = "") const {
        const Ran ran = run_reflux(
            fmt::format("run {} --json --out {} --set judge.stall_window=3s --set judge.rung_time=500ms "
                        "--set judge.time_budget=8s {}",
                        scenario_name, out(), more));
        EXPECT_EQ(ran.code, 0) << ran.output << ran.errors;
        return ran.verdict();
    }
    // Of one kind of step; null: there was none.
    static json latency_of(const json& cost, const std::string& kind) {
        for (const json& step : cost["workload"]["latencies"]) {
            if (step["kind"] == kind) {
                return step;
            }
        }
        return nullptr;
    }
    // Outcome, deciding reason, and the fault that the run tells of.
    static void expect_verdict(const json& verdict, const std::string& outcome, const std::string& reason,
                               const std::string& fault) {
        ASSERT_TRUE(verdict.is_object());
        EXPECT_EQ(verdict["outcome"], outcome) << verdict["reasons"];
        const auto reasons = verdict["reasons"].get<Reasons>();
        ASSERT_FALSE(reasons.empty());
        EXPECT_THAT(reasons.front(), HasSubstr(reason));
        EXPECT_THAT(reasons, Contains(AllOf(HasSubstr("a fault was injected at "), HasSubstr(fault))));
    }
};

// A sync of the upper filesystem is a request at least, and each waits 200 ms; but for those before the
// fault, so that the median tells nothing.
TEST_F(FaultsTest, ASlowDaemonIsSlowAndItsSyncsTakeItsDelay) {
    const json verdict = run("fuse-ext4-slow-daemon");
    expect_verdict(verdict, "slow", "did not finish in its time", "delay, refluxd's own, time=200ms");
    const json cost = evidence_of(verdict)["cost"];
    const json sync = latency_of(cost, "sync");
    EXPECT_GE(sync["p99_s"], 0.4) << cost;
    EXPECT_LE(sync["longest_s"], cost["workload"]["worked_s"]) << cost;
    EXPECT_EQ(cost["daemon"]["errors"], json::array());
    EXPECT_GT(cost["daemon"]["requests"], 0);
}

TEST_F(FaultsTest, ASpinningDaemonIsALivelockThatRuns) {
    const json verdict = run("fuse-ext4-daemon-spins");
    expect_verdict(verdict, "livelock", "running", "spin");
    EXPECT_GT(verdict["proof"]["cpu_ticks"], 0);
}

TEST_F(FaultsTest, AKilledDaemonIsKilledByItsSignal) {
    expect_verdict(run("fuse-ext4-daemon-killed"), "daemon_killed", "by signal 9", "kill, SIGKILL");
}

TEST_F(FaultsTest, AStoppedDaemonIsNoDeadlock) {
    expect_verdict(run("fuse-ext4-daemon-stopped"), "inconclusive", "the daemon is stopped", "stop, SIGSTOP");
}

TEST_F(FaultsTest, ADaemonThatWasStoppedForAWhileCompletes) {
    const json verdict = run("fuse-ext4-daemon-stopped",
                             "--set fault.time=1s --set judge.time_budget=30s "
                             "--set workload.work=200MiB --set expect.outcome=completes "
                             "--set expect_v2.outcome=completes");
    expect_verdict(verdict, "completes", "did all its work", "lifted at");
}

TEST_F(FaultsTest, ErrorsOfTheDiskAreIoErrors) {
    expect_verdict(run("fuse-ext4-io-errors"), "io_error", "the workload saw", "error, refluxd's own");
}

// What it does to the upper filesystem is not asked here.
TEST_F(FaultsTest, LackOfMemoryInTheDaemonsIoIsCounted) {
    const json verdict = run("fuse-ext4-io-errors",
                             "--set fault.options=operations=write,error=ENOMEM,count=1 "
                             "--set expect.outcome= --set expect_v2.outcome=");
    const json errors = evidence_of(verdict)["cost"]["daemon"]["errors"];
    ASSERT_EQ(errors.size(), 1U) << errors;
    EXPECT_EQ(errors[0]["error"], "ENOMEM");
    EXPECT_EQ(errors[0]["count"], 1);
    EXPECT_EQ(verdict["cost"]["enomem"], 1);
    EXPECT_EQ(verdict["cost"]["other_errors"], 0);
}

TEST_F(FaultsTest, ADaemonThatTheOomKillerTookIsNamedSoAndCounted) {
    const json verdict = run("fuse-ext4-oom-killed-daemon");
    expect_verdict(verdict, "daemon_killed", "by the OOM killer", "allocate");
    EXPECT_GE(verdict["cost"]["oom_kills"], 1);
    EXPECT_GE(verdict["cost"]["machine_oom_kills"], verdict["cost"]["oom_kills"]);
}

TEST_F(FaultsTest, AnOptionThatRefluxdDoesNotKnowEndsTheRunBeforeItsWorkload) {
    const Ran ran =
        run_reflux(fmt::format("run fuse-ext4-slow-daemon --out {} --set fault.options=tme=1s", out()));
    EXPECT_EQ(ran.code, 4);
    EXPECT_THAT(ran.output + ran.errors, HasSubstr("fault delay has no option 'tme=1s'"));
    EXPECT_THAT(ran.errors, Not(HasSubstr("pressure:")));
}

// Children that use up every processor, at normal priority.
class BusyProcessors {
  public:
    BusyProcessors() {
        for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) {
            auto child = spawn({"sh", "-c", "while :; do :; done"});
            EXPECT_TRUE(child);
            children_.push_back(std::move(*child));
        }
    }
    BusyProcessors(const BusyProcessors&) = delete;
    BusyProcessors& operator=(const BusyProcessors&) = delete;
    BusyProcessors(BusyProcessors&&) = delete;
    BusyProcessors& operator=(BusyProcessors&&) = delete;
    ~BusyProcessors() {
        for (Child& child : children_) {
            EXPECT_TRUE(send_signal(child, SIGKILL));
            EXPECT_TRUE(wait_for(child, Seconds(20)));
        }
    }

  private:
    std::vector<Child> children_;
};

// In short form always; the whole of it, many times:
// REFLUX_SOAK=20 sudo -E build/tests/root_reflux_faults_test --gtest_filter=*BusyMachine*
TEST_F(FaultsTest, ABusyMachineIsNoStall) {
    const char* wanted = std::getenv("REFLUX_SOAK");
    const int repeat = wanted != nullptr ? std::atoi(wanted) : 2;
    const BusyProcessors busy;
    const Ran ran =
        run_reflux(fmt::format("run --json --out {} fuse-ext4-shared-memcg-control "
                               "fuse-ext4-own-cgroup --set observe.trace_overhead=off --repeat {} {}",
                               out(), repeat, wanted != nullptr ? "" : "--set workload.work=150MiB"),
                   Seconds(120.0 * repeat));
    const json verdicts = json::parse(ran.output, nullptr, false);
    ASSERT_EQ(verdicts.size(), 2U * static_cast<unsigned>(repeat)) << ran.output << ran.errors;
    for (const json& verdict : verdicts) {
        // Slow is a matter of the machine, a stall would be one of ours.
        EXPECT_THAT(verdict["outcome"].get<std::string>(), AnyOf("completes", "slow")) << verdict;
        EXPECT_TRUE(verdict["relief"].is_null()) << verdict;
        EXPECT_TRUE(evidence_of(verdict)["stall"].is_null());
    }
}

}  // namespace
}  // namespace reflux::test
