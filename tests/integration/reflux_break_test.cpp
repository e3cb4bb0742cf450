// Things that go wrong around a run: a killed harness, a killed daemon, an interruption.
#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "tests/integration/support/reflux_run.h"

#include <algorithm>
#include <csignal>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::HasSubstr;

// `reflux run` in the background.
class Running {
  public:
    Running(const TemporaryFolder& folder, const std::string& arguments)
        : errors_(folder / "errors"), output_(folder / "output") {
        const auto out = open_file(output_, O_WRONLY | O_CREAT);
        const auto err = open_file(errors_, O_WRONLY | O_CREAT);
        std::vector<std::string> command{REFLUX_BUILD_DIR "/reflux"};
        for (const auto& word : split(arguments, ' ')) {
            command.push_back(word);
        }
        auto child = spawn(command, {.stdout_fd = out->get(), .stderr_fd = err->get()});
        EXPECT_TRUE(child);
        child_ = std::move(*child);
    }
    // Waits until its stderr holds `text`, at most 60 s.
    [[nodiscard]] bool await(const std::string& text) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (read_file(errors_).value_or("").find(text) == std::string::npos) {
            if (std::chrono::steady_clock::now() > end || *wait_for(child_, Seconds(0.05))) {
                return false;
            }
        }
        return true;
    }
    void signal(int number) { ASSERT_TRUE(send_signal(child_, number)); }
    int wait() {
        const auto exit = wait_for(child_, Seconds(120));
        return exit && *exit ? (*exit)->code + ((*exit)->signal != 0 ? 128 + (*exit)->signal : 0) : -1;
    }
    [[nodiscard]] std::string errors() const { return read_file(errors_).value_or(""); }
    [[nodiscard]] std::string output() const { return read_file(output_).value_or(""); }

  private:
    std::string errors_;
    std::string output_;
    Child child_;
};

class BreakTest : public RefluxTest {
  protected:
    [[nodiscard]] std::string run_arguments(const std::string& scenario) const {
        return fmt::format("run --out {} {}", out(), scenario);
    }
    // The daemon of the only run there is, from its journal.
    static pid_t daemon_pid() {
        const auto found =
            run_shell("sed -n 's/^note [0-9]* \\([0-9]*\\) [0-9]*$/\\1/p' /run/reflux/*/journal");
        return found.output.empty() ? 0 : std::stoi(found.output);
    }
};

TEST_F(BreakTest, AKilledHarnessIsCleanedUpAfter) {
    const auto before = take_inventory();
    Running run(folder_, run_arguments("fuse-ext4-shared-memcg"));
    if (!run.await("stall:")) {
        static_cast<void>(run.wait());
        GTEST_SKIP() << "no stall to be killed in on this kernel (cgroup v2 may be slow without one): "
                     << run.output();
    }
    run.signal(SIGKILL);
    EXPECT_EQ(run.wait(), 128 + SIGKILL);
    EXPECT_NE(take_inventory(), before) << "the killed run has left its stack";
    const Ran clean = run_reflux("clean");
    EXPECT_EQ(clean.code, 0) << clean.output << clean.errors;
    EXPECT_EQ(left_behind(before), "");
    EXPECT_THAT(run_reflux("clean").output, HasSubstr("nothing to clean"));
}

TEST_F(BreakTest, WhatAKilledHarnessHasSetIsPutBack) {
    const auto before = take_inventory();
    Running run(folder_, run_arguments("fuse-ext4-shared-memcg-control --mitigation bdi_max_ratio"));
    ASSERT_TRUE(run.await("pressure:")) << run.errors();
    run.signal(SIGKILL);
    EXPECT_EQ(run.wait(), 128 + SIGKILL);
    const auto now = take_inventory();
    EXPECT_TRUE(std::any_of(now.begin(), now.end(), [](const std::string& one) {
        return one.starts_with("setting /sys/class/bdi/") && one.ends_with("/max_ratio 1");
    }));
    EXPECT_EQ(run_reflux("clean").code, 0);
    EXPECT_EQ(left_behind(before), "");
}

// A daemon that makes a loop device and is killed before it can remove it.
constexpr const char* block_daemon = R"toml(
base = "fuse-ext4-shared-memcg-control"
question = "What is left of a device that a foreign daemon made by its own means?"
control = ""
[stack]
front_end = "block"
[daemon]
kind = "block"
command = "sh -c 'd=$(losetup --show -f {image}) && ln -s $d {folder}/disk && trap \"losetup -d $d; exit\" TERM && while :; do sleep 1; done'"
serves = "{folder}/disk"
)toml";

TEST_F(BreakTest, TheDeviceOfAForeignDaemonThatWasKilledGoesToo) {
    const auto before = take_inventory();
    Running run(folder_, run_arguments(scenario("block-daemon", block_daemon)));
    ASSERT_TRUE(run.await("pressure:")) << run.errors();
    run.signal(SIGKILL);
    EXPECT_EQ(run.wait(), 128 + SIGKILL);
    const Ran clean = run_reflux("clean");
    EXPECT_EQ(clean.code, 0) << clean.output << clean.errors;
    EXPECT_EQ(left_behind(before), "");
}

// A sysctl is the whole machine's: the run holds it only while its own connection is made.
TEST_F(BreakTest, ASysctlIsPutBackBeforeThePressure) {
    constexpr const char* file = "/proc/sys/fs/fuse/default_request_timeout";
    const auto old = read_file(file);
    if (!old) {
        GTEST_SKIP() << "this kernel's FUSE knows no request timeout";
    }
    Running run(folder_, run_arguments("fuse-ext4-shared-memcg-control --mitigation request_timeout"));
    ASSERT_TRUE(run.await("pressure:")) << run.errors();
    EXPECT_EQ(read_file(file).value_or(""), *old);
    EXPECT_THAT(run.errors(), HasSubstr("default_request_timeout is 15, until the stack stands"));
    run.signal(SIGINT);
    static_cast<void>(run.wait());
}

// They come and go by the hundred, so the journal has only the cgroup in which they are made.
TEST_F(BreakTest, TheIoCgroupsOfAKilledHarnessGoToo) {
    const auto before = take_inventory();
    // Of any cgroup version.
    Running run(folder_, run_arguments("seed-d-io-cgroups-control --set needs="));
    if (!run.await("pressure:")) {
        static_cast<void>(run.wait());
        ASSERT_THAT(run.output(), HasSubstr("unsupported")) << run.errors();
        GTEST_SKIP() << "no io controller here: " << run.output();
    }
    const auto tree =
        trimmed(run_shell("sed -n 's/^make [0-9]* cgroup_tree //p' /run/reflux/*/journal").output);
    ASSERT_FALSE(tree.empty());
    const auto made = [&] {
        const auto names = list_directory(tree);
        return names && std::ranges::any_of(*names, [](const std::string& name) {
                   return name.find_first_not_of("0123456789") == std::string::npos;
               });
    };
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!made() && std::chrono::steady_clock::now() < end) {
        std::this_thread::yield();
    }
    run.signal(SIGKILL);
    EXPECT_EQ(run.wait(), 128 + SIGKILL);
    EXPECT_EQ(run_reflux("clean").code, 0);
    EXPECT_EQ(left_behind(before), "");
    EXPECT_FALSE(list_directory(tree));
}

TEST_F(BreakTest, CleanLeavesALivingRunAlone) {
    Running run(folder_, run_arguments("fuse-ext4-own-cgroup"));
    ASSERT_TRUE(run.await("pressure:")) << run.errors();
    const Ran clean = run_reflux("clean");
    EXPECT_EQ(clean.code, 0);
    EXPECT_THAT(clean.output, HasSubstr("its run goes on"));
    EXPECT_EQ(run.wait(), 0) << run.errors();
}

TEST_F(BreakTest, AKilledDaemonIsJudgedAsSuch) {
    Running run(folder_, run_arguments("fuse-ext4-shared-memcg-control"));
    ASSERT_TRUE(run.await("pressure:")) << run.errors();
    const pid_t pid = daemon_pid();
    ASSERT_GT(pid, 0);
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    EXPECT_EQ(run.wait(), 1) << run.errors();
    EXPECT_THAT(run.output(), HasSubstr("daemon_killed"));
}

TEST_F(BreakTest, AnInterruptionTakesTheStackDown) {
    Running run(folder_, run_arguments("fuse-ext4-shared-memcg-control"));
    ASSERT_TRUE(run.await("pressure:")) << run.errors();
    run.signal(SIGINT);
    EXPECT_EQ(run.wait(), 4) << run.errors();
    EXPECT_THAT(run.output(), HasSubstr("interrupted"));
}

TEST_F(BreakTest, AKeptStackStandsUntilCleaned) {
    const Ran kept =
        run_reflux(fmt::format("run --keep fuse-ext4-own-cgroup --set workload.work=100MiB --out {}", out()));
    EXPECT_EQ(kept.code, 0) << kept.output << kept.errors;
    EXPECT_THAT(run_shell("grep -c ' /run/reflux/.*/m/upper ' /proc/self/mountinfo").output, HasSubstr("1"));
    EXPECT_EQ(run_reflux("clean").code, 0);
}

}  // namespace
}  // namespace reflux::test
