// `reflux matrix`: what it goes on with, what it refuses, how it ends when it is interrupted. Guests are left
// to tests/vm; where a run is really made, it is made on this machine.
#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "tests/integration/support/reflux_run.h"
#include "tests/integration/support/tools.h"

#include <csignal>
#include <filesystem>
#include <iterator>

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* scenario_name = "fuse-ext4-own-cgroup";

// Needs neither root nor a kernel.
class MatrixTest : public testing::Test {
  protected:
    [[nodiscard]] Ran matrix(const std::string& arguments) const {
        return run_reflux(fmt::format("matrix {} -o {} {}", scenario_name, out(), arguments));
    }
    // As a run leaves it.
    void finish_run(const std::string& kernel, int number, const std::string& outcome, bool met,
                    const std::string& scenario = scenario_name) const {
        folder_.write(
            fmt::format("out/{}/{}/{}-20260101T00000{}-1/verdict.json", kernel, scenario, scenario, number),
            fmt::format(
                R"({{"schema":1,"outcome":"{}","recursion":"none","met":{},"reasons":[],"leftovers":[]}})",
                outcome, met));
    }
    [[nodiscard]] std::string out() const { return folder_ / "out"; }

    TemporaryFolder folder_;
};

// A run that was made would end with an error: there is no such kernel.
TEST_F(MatrixTest, FinishedRunsAreNotMadeAgain) {
    finish_run("9.9.9", 1, "completes", true);
    finish_run("9.9.9", 2, "completes", true);
    const Ran met = matrix("--kernels 9.9.9 --repeat 2");
    EXPECT_EQ(met.code, 0) << met.errors;
    EXPECT_THAT(met.output, HasSubstr("2 completes"));
    EXPECT_THAT(met.errors, HasSubstr("2 runs, 2 of them done already"));

    finish_run("9.9.9", 3, "deadlock", false);
    const Ran json = matrix("--kernels 9.9.9 --repeat 3 --json");
    EXPECT_EQ(json.code, 1) << json.errors;
    const auto verdicts = nlohmann::json::parse(json.output, nullptr, false);
    ASSERT_TRUE(verdicts.is_array()) << json.output;
    ASSERT_EQ(verdicts.size(), 3U);
    EXPECT_EQ(verdicts[2]["outcome"], "deadlock");
}

TEST_F(MatrixTest, AKernelThatCannotBeHadLeavesTheOthers) {
    finish_run("9.9.9", 1, "completes", true);
    const Ran ran = matrix("--kernels 9.9.9,/no/such/image,nonsense");
    EXPECT_EQ(ran.code, 2) << ran.errors;
    EXPECT_THAT(ran.output, HasSubstr("1 completes; cure unproven  unsupported"));
    EXPECT_THAT(ran.output, HasSubstr("/no/such/image: "));
    EXPECT_THAT(ran.output, HasSubstr("nonsense: 'nonsense' names no kernel"));
}

TEST_F(MatrixTest, ACureIsSeenOnTheKernelOnWhichItsBaselineStalled) {
    for (const auto* kernel : {"9.9.8", "9.9.9"}) {
        finish_run(kernel, 1, "completes", true);
        finish_run(kernel, 1, "completes", true, "fuse-ext4-shared-memcg-control");
    }
    finish_run("9.9.8", 1, "slow", false, "fuse-ext4-shared-memcg");
    finish_run("9.9.9", 1, "deadlock", true, "fuse-ext4-shared-memcg");
    const Ran ran = matrix("--with-baseline --kernels 9.9.8,9.9.9");
    EXPECT_EQ(ran.code, 1) << ran.errors;
    EXPECT_THAT(ran.output, HasSubstr("1 completes; cure unproven  1 completes; cure seen\n"));
    EXPECT_THAT(ran.output, HasSubstr("9.9.8, fuse-ext4-own-cgroup: cure unproven: its baseline "
                                      "fuse-ext4-shared-memcg was not seen to stall: 1 slow of 1\n"));
    EXPECT_THAT(ran.output, HasSubstr("9.9.9, fuse-ext4-own-cgroup: cure seen: completes 1 of 1"));
}

TEST_F(MatrixTest, OtherOverridesAreRefused) {
    finish_run("9.9.9", 1, "completes", true);
    EXPECT_EQ(matrix("--kernels 9.9.9 --set workload.work=100MiB").code, 0);
    EXPECT_EQ(matrix("--kernels 9.9.9 --set workload.work=100MiB").code, 0);
    const Ran other = matrix("--kernels 9.9.9 --set workload.work=200MiB");
    EXPECT_EQ(other.code, 2) << other.errors;
    EXPECT_THAT(other.errors, HasSubstr("workload.work=100MiB then, workload.work=200MiB now"));
    EXPECT_EQ(other.output, "");
}

TEST_F(MatrixTest, AScenarioThatHasChangedIsRefused) {
    finish_run("9.9.9", 1, "completes", true);
    folder_.write(fmt::format("out/9.9.9/{}/{}.toml", scenario_name, scenario_name),
                  "question = \"other\"\n");
    const Ran ran = matrix("--kernels 9.9.9");
    EXPECT_EQ(ran.code, 2) << ran.errors;
    EXPECT_THAT(ran.errors, HasSubstr("'question = \"other\"' then"));
}

TEST_F(MatrixTest, WrongInputIsToldBeforeAnythingIsMade) {
    const std::vector<std::pair<std::string, std::string>> wrong{
        {"", "--kernels 5.10,6.1,7.2"},
        {"--kernels 6.1,6.1", "twice"},
        {"--kernels 6.1 --set memcg.limt=1MiB", "memcg.limit"},
        {"--kernels 6.1 --set mitigation.apply=no_such_thing", "no_such_thing"},
        {fmt::format("--kernels 6.1 {}", scenario_name), "two scenarios with the name"},
        {"--kernels 6.1 fuse-ext4-shard-memcg", "fuse-ext4-shared-memcg"},
        {"--kernels 6.1 --repeat 0", "--repeat"},
    };
    for (const auto& [arguments, told] : wrong) {
        const Ran ran = matrix(arguments);
        EXPECT_EQ(ran.code, 2) << arguments << ran.errors;
        EXPECT_THAT(ran.errors, HasSubstr(told)) << arguments;
        EXPECT_FALSE(std::filesystem::exists(out())) << arguments;
    }
}

TEST_F(MatrixTest, ARunWithoutAVerdictEndsItsCell) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "not root: it cannot become somebody else";
    }
    ASSERT_EQ(::chmod(folder_.path().c_str(), 0777), 0);
    const Ran ran = run_shell(
        fmt::format("exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$REFLUX\" matrix {} -o {} "
                    "--kernels host --repeat 5",
                    scenario_name, out()));
    EXPECT_EQ(ran.code, 3) << ran.errors;
    EXPECT_THAT(ran.output, HasSubstr("unsupported\nhost: no verdict, exit 3: reflux: not root"));
    EXPECT_THAT(ran.errors, Not(HasSubstr("run 2/5")));
}

// As after an upgrade and a reboot: nothing is run, with a folder of before this was kept as well.
TEST_F(MatrixTest, AnotherKernelOfThisMachineIsRefused) {
    folder_.write("out/host/release", "9.9.9-old\n");
    const Ran kept = matrix("--kernels host");
    EXPECT_EQ(kept.code, 2) << kept.errors;
    EXPECT_THAT(kept.output, HasSubstr("host: was 9.9.9-old when the matrix began"));

    std::filesystem::remove_all(out());
    folder_.write(fmt::format("out/host/{0}/{0}-20260101T000001-1/verdict.json", scenario_name),
                  R"({"schema":1,"outcome":"completes","recursion":"none","met":true,"reasons":[],)"
                  R"("leftovers":[],"kernel":"9.9.9-old"})");
    const Ran counted = matrix("--kernels host --repeat 2");
    EXPECT_EQ(counted.code, 2) << counted.errors;
    EXPECT_THAT(counted.output, HasSubstr("runs of two kernels under one name, 9.9.9-old in"));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(out() + "/host/" + scenario_name),
                            std::filesystem::directory_iterator()),
              1)
        << "something was run";
}

// "9.9.9" is no kernel, so nothing is run.
class ShardedMatrixTest : public MatrixTest {};

TEST_F(ShardedMatrixTest, WrongShardsAreRefused) {
    for (const auto* shard : {"0/2", "3/2", "2", "a/b", "1/0", "''"}) {
        const Ran ran = matrix(fmt::format("--kernels 9.9.9 --shard {}", shard));
        EXPECT_EQ(ran.code, 2) << shard;
        EXPECT_THAT(ran.errors, HasSubstr("--shard")) << shard;
        EXPECT_FALSE(std::filesystem::exists(out())) << shard;
    }
}

// Each finished run is in the one shard whose cell it is, whatever folder it is in; merged they are one.
TEST_F(ShardedMatrixTest, ShardsAreTheWholeMatrixAndMergeIntoIt) {
    const std::vector<std::string> scenarios{"fuse-ext4-shared-memcg", "fuse-ext4-own-cgroup",
                                             "fuse-ext4-shared-memcg-control", "fuse-ext4-io-flusher"};
    const std::string asked =
        fmt::format("matrix {} --kernels 9.9.8,9.9.9 --json -o ", fmt::join(scenarios, " "));
    for (const auto& scenario : scenarios) {
        for (const auto* kernel : {"9.9.8", "9.9.9"}) {
            finish_run(kernel, 1, scenario.ends_with("control") ? "completes" : "slow", true, scenario);
        }
    }
    std::size_t seen = 0;
    for (int shard = 1; shard <= 3; ++shard) {
        const Ran ran = run_reflux(fmt::format("{}{} --shard {}/3", asked, out(), shard));
        EXPECT_EQ(ran.code, 0) << ran.errors;
        const auto verdicts = nlohmann::json::parse(ran.output, nullptr, false);
        ASSERT_TRUE(verdicts.is_array()) << ran.output;
        EXPECT_THAT(verdicts.size(), testing::AllOf(testing::Ge(2U), testing::Le(3U)));
        EXPECT_THAT(ran.errors, HasSubstr(fmt::format("{} runs, {} of them done already", verdicts.size(),
                                                      verdicts.size())));
        seen += verdicts.size();
    }
    EXPECT_EQ(seen, 2 * scenarios.size());

    // Folders of their own: one has what is on one kernel, the other the rest; copied together they are the
    // whole, and another record says the same.
    ASSERT_EQ(run_shell(fmt::format("cd {0} && mkdir a b && cp -a out/9.9.8 out/matrix.json a && "
                                    "cp -a out/9.9.9 out/matrix.json out/matrix.lock b && mkdir merged && "
                                    "cp -a a/. b/. merged/",
                                    folder_.path()))
                  .code,
              0);
    const Ran merged = run_reflux(asked + (folder_ / "merged"));
    EXPECT_EQ(merged.code, 0) << merged.errors;
    EXPECT_THAT(merged.errors, HasSubstr("8 cells, 8 runs, 8 of them done already"));
}

TEST_F(ShardedMatrixTest, ACellHasOneAtWorkAndOtherShardsGoOn) {
    finish_run("9.9.9", 1, "completes", true);
    // A byte of matrix.lock is a cell; all of them at once are all cells.
    const std::string holder =
        "python3 -c 'import fcntl,subprocess,sys; f=open(sys.argv[1],\"w\"); fcntl.lockf(f,fcntl.LOCK_EX); "
        "sys.exit(subprocess.call(sys.argv[2:]))'";
    const Ran held = run_shell(fmt::format("{} {}/matrix.lock \"$REFLUX\" matrix {} -o {} --kernels 9.9.9",
                                           holder, out(), scenario_name, out()));
    EXPECT_EQ(held.code, 4) << held.errors;
    EXPECT_THAT(held.errors,
                HasSubstr(scenario_name + std::string(": another reflux matrix is at work on it")));
    EXPECT_EQ(matrix("--kernels 9.9.9").code, 0) << "the lock went with its holder";
}

TEST_F(ShardedMatrixTest, AllIsEveryScenarioAndWhatCannotBeRunStopsNothing) {
    finish_run("nonsense", 1, "unsupported", false);
    finish_run("other", 1, "completes", true);
    const Ran ran = run_reflux(fmt::format("matrix all --kernels nonsense,other -o {}", out()));
    EXPECT_EQ(ran.code, 2) << ran.errors;  // neither names a kernel
    const auto listed = run_reflux("list scenarios");
    // Below "scenarios:" the families, and below each its scenarios.
    const auto lines = lines_of(listed.output);
    const auto names =
        std::ranges::count_if(lines, [](const std::string& line) { return line.starts_with("  "); });
    EXPECT_THAT(ran.errors, HasSubstr(fmt::format("{} cells", 2 * names)));
    EXPECT_THAT(ran.output, HasSubstr("1 unsupported"));
    EXPECT_THAT(ran.output, HasSubstr("1 completes"));
}

class MatrixRunTest : public RefluxTest {
  protected:
    static std::vector<std::string> words_of(const std::string& arguments) {
        std::vector<std::string> command{REFLUX_BUILD_DIR "/reflux"};
        for (const auto& word : split(arguments, ' ')) {
            command.push_back(word);
        }
        return command;
    }
    [[nodiscard]] std::string arguments() const {
        return fmt::format("matrix {} --kernels host --set workload.work=100MiB -o {}", scenario_name, out());
    }
    [[nodiscard]] std::string log() const {
        return fmt::format("{}/host/{}/run-1.log", out(), scenario_name);
    }
    [[nodiscard]] bool is_under_pressure() const {
        return comes_true(
            [&] { return read_file(log()).value_or("").find("pressure:") != std::string::npos; });
    }
};

TEST_F(MatrixRunTest, AnInterruptedMatrixGoesOn) {
    auto child = spawn(words_of(arguments()));
    ASSERT_TRUE(child);
    EXPECT_TRUE(is_under_pressure());
    ASSERT_TRUE(send_signal(*child, SIGINT));
    const auto exit = wait_for(*child, Seconds(120));
    ASSERT_TRUE(exit && *exit);
    EXPECT_EQ((*exit)->code, 4);

    const Ran again = run_reflux(arguments());
    EXPECT_EQ(again.code, 0) << again.errors;
    EXPECT_THAT(again.errors, HasSubstr("1 run, 0 of them done already"));
    EXPECT_THAT(again.errors, HasSubstr(fmt::format("host {} run 1/1: completes", scenario_name)));
    EXPECT_THAT(again.output, HasSubstr("1 completes; cure unproven\n"));
    EXPECT_FALSE(std::filesystem::exists(log())) << "a run that ended well leaves no log";
    EXPECT_THAT(run_reflux(arguments()).errors, HasSubstr("1 run, 1 of them done already"));
}

// Nobody could take anything down; what the run left is for `reflux clean`, and its folder does not count.
TEST_F(MatrixRunTest, AKilledMatrixGoesOn) {
    auto child = spawn(words_of(arguments()));
    ASSERT_TRUE(child);
    EXPECT_TRUE(is_under_pressure());
    ASSERT_TRUE(send_signal(*child, SIGKILL));
    ASSERT_TRUE(wait_for(*child, Seconds(20)));
    Ran cleaned;
    EXPECT_TRUE(comes_true([&] {  // its run dies with it, in its own time
        cleaned = run_reflux("clean");
        return cleaned.code == 0 && cleaned.output.find("goes on") == std::string::npos;
    })) << cleaned.output;

    const Ran again = run_reflux(arguments());
    EXPECT_EQ(again.code, 0) << again.errors;
    EXPECT_THAT(again.errors, HasSubstr("1 run, 0 of them done already"));
    EXPECT_THAT(run_reflux(arguments()).errors, HasSubstr("1 run, 1 of them done already"));
}

}  // namespace
}  // namespace reflux::test
