#include "backend/base/child.h"
#include "harness/pressure/hog.h"
#include "harness/pressure/io_cgroups.h"

#include <chrono>
#include <thread>

#include <signal.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::pressure {
namespace {

TEST(IsSwapFull, NeedsSwapThatIsInUse) {
    EXPECT_FALSE(is_swap_full(""));
    EXPECT_FALSE(is_swap_full("SwapTotal:             0 kB\nSwapFree:              0 kB\n"));
    EXPECT_FALSE(is_swap_full("MemFree: 1 kB\nSwapTotal:        65532 kB\nSwapFree:           700 kB\n"));
    EXPECT_TRUE(is_swap_full("MemFree: 1 kB\nSwapTotal:        65532 kB\nSwapFree:           600 kB\n"));
}

TEST(PolicyFiles, NameTheDeviceAndTheControllersOwnFiles) {
    const auto v2 = policy_files("throttle", Version::v2, "7:1");
    ASSERT_EQ(v2.size(), 1U);
    EXPECT_EQ(v2[0].name, "io.max");
    EXPECT_EQ(v2[0].value, "7:1 rbps=17179869184 wbps=17179869184");
    const auto v1 = policy_files("throttle", Version::v1, "7:1");
    ASSERT_EQ(v1.size(), 2U);
    EXPECT_EQ(v1[0].name, "blkio.throttle.read_bps_device");
    EXPECT_EQ(v1[0].value, "7:1 17179869184");
    EXPECT_EQ(policy_files("latency", Version::v2, "7:1")[0].name, "io.latency");
    EXPECT_EQ(policy_files("cost", Version::v2, "7:1")[0].name, "io.weight");
    EXPECT_TRUE(policy_files("latency", Version::v1, "7:1").empty());
    EXPECT_TRUE(policy_files("cost", Version::v1, "7:1").empty());
}

TEST(Hog, TakesWhatItIsToldAndGoesOn) {
    auto hog = Hog::start({.size = mebibytes(8), .sync = {}, .cgroup_procs = "/dev/null"});
    ASSERT_TRUE(hog) << hog.error().message;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (hog->taken() < mebibytes(8) && std::chrono::steady_clock::now() < end) {
        std::this_thread::yield();
    }
    EXPECT_EQ(hog->taken(), mebibytes(8));
    EXPECT_FALSE(wait_readable(hog->child().pidfd.get(), Seconds(0)).value());
    ASSERT_TRUE(send_signal(hog->child(), SIGKILL));
    const auto exit = wait_for(hog->child(), Seconds(10));
    ASSERT_TRUE(exit && *exit);
    EXPECT_EQ((*exit)->signal, SIGKILL);
}

}  // namespace
}  // namespace reflux::pressure
