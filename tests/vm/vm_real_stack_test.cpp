// The stack of the 2019 thread and its relatives in virtual machines: dm-zoned, TCMU, daemons that we did not
// write.
#include "tests/integration/support/reflux_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using nlohmann::json;

constexpr Seconds run_time{580};  // emulated, with a second stack after a stall

class RealStackTest : public RefluxTest {
  protected:
    [[nodiscard]] Ran run(const std::string& arguments, const std::string& kernel = vm_kernel()) const {
        return run_shell(
            fmt::format("exec \"$REFLUX\" run {} --json --out {} --vm {}", arguments, out(), kernel),
            run_time);
    }
};

// Nothing is left, and what was expected came.
void expect_met(const Ran& ran) {
    ASSERT_EQ(ran.code, 0) << ran.output << ran.errors;
    EXPECT_TRUE(ran.verdict()["leftovers"].empty()) << ran.output;
}

TEST_F(RealStackTest, DmZonedOnTheKernelsOwnZonedDiskCompletes) {
    const Ran ran = run("null-blk-dmzoned-ext4 --set workload.work=256MiB");
    expect_met(ran);
    EXPECT_EQ(text_of(ran.verdict()["outcome"]), "completes");
}

TEST_F(RealStackTest, DmZonedOnTheKernelsOwnScsiDiskCompletes) {
    const Ran ran = run("scsi-debug-dmzoned-ext4 --set workload.work=64MiB");
    expect_met(ran);
    EXPECT_EQ(text_of(ran.verdict()["outcome"]), "completes");
}

// The workload is small: what is tried is that each part comes up, carries data and goes.
TEST_F(RealStackTest, RefluxdServesTheThreadsStackWithoutPressure) {
    const Ran ran = run("seed-tcmu-dmzoned-ext4-control --set workload.work=64MiB");
    expect_met(ran);
    EXPECT_EQ(text_of(ran.verdict()["outcome"]), "completes");
}

TEST_F(RealStackTest, StockTcmuRunnerHangsInReclaim) {
    REFLUX_LONG_TEST();
    const Ran ran = run("seed-tcmu-dmzoned-xfs-tcmu-runner --set vm.cgroup=v1 --set relief.rungs=wait,abort");
    expect_met(ran);
    const json verdict = ran.verdict();
    EXPECT_EQ(text_of(verdict["outcome"]), "deadlock");
    EXPECT_EQ(text_of(verdict["recursion"]), "upper");
    EXPECT_EQ(text_of(verdict["relief"]["rung"]), "abort");
}

}  // namespace
}  // namespace reflux::test
