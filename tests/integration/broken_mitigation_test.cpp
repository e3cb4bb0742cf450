// Mitigations that are broken on purpose: the calls that make them succeed without effect. What is asked for
// and not in force must be refused with the reason, by refluxd, by `reflux exec`, and by a run. No capability
// is needed for that: the broken call answers 0 to everybody.
#include "tests/integration/support/reflux_run.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::HasSubstr;

// The linker order that AddressSanitizer insists on is not to be had here.
constexpr const char* broken = "ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=" REFLUX_BROKEN_LIBRARY " ";

class BrokenMitigationTest : public RefluxTest {
  protected:
    // A daemon with this option and broken calls: it must end before it serves.
    Ran serve(const std::string& option) {
        folder_.write("mnt/.keep", "");
        const std::string daemon = REFLUX_BUILD_DIR "/refluxd";
        return run_shell(
            fmt::format("{0} format {1}/image --size 64MiB --zone-size 4MiB && rm {1}/mnt/.keep && "
                        "{2} timeout 20 {0} serve {1}/image {1}/mnt --engine threads {3}",
                        daemon, folder_.path(), broken, option),
            Seconds(30));
    }
};

TEST_F(BrokenMitigationTest, RefluxdReadsItsMarksBack) {
    for (const char* option : {"--io-flusher", "--io-flusher-late", "--call-scope io_flusher"}) {
        const Ran ran = serve(option);
        EXPECT_EQ(ran.code, 3) << option << ran.output << ran.errors;
        EXPECT_THAT(ran.errors, HasSubstr("PR_SET_IO_FLUSHER succeeds without effect")) << option;
        EXPECT_EQ(ran.output, "") << "it was never ready";
        std::filesystem::remove(folder_ / "image");
    }
}

TEST_F(BrokenMitigationTest, RefluxdReadsItsLockedMemoryBack) {
    const Ran ran = serve("--mlock");
    EXPECT_EQ(ran.code, 3) << ran.output << ran.errors;
    EXPECT_THAT(ran.errors, HasSubstr("mlockall succeeds without effect: VmLck is 0"));
}

TEST_F(BrokenMitigationTest, ExecStartsNoProgramWithoutItsMark) {
    const Ran ran =
        run_shell(fmt::format("{} \"$REFLUX\" exec --mitigation io_flusher -- echo started", broken));
    EXPECT_EQ(ran.code, 4) << ran.errors;
    EXPECT_EQ(ran.output, "");
    EXPECT_THAT(ran.errors, HasSubstr("io_flusher did not take"));
    EXPECT_THAT(ran.errors, HasSubstr("is not marked"));
}

TEST_F(BrokenMitigationTest, ARunIsRefusedWithTheReason) {
    const Ran ran =
        run_shell(fmt::format("{} \"$REFLUX\" run fuse-ext4-shared-memcg --mitigation mlock --json "
                              "--out {}",
                              broken, out()));
    EXPECT_EQ(ran.code, 3) << ran.output << ran.errors;
    const auto verdict = ran.verdict();
    EXPECT_EQ(text_of(verdict["scenario"]), "fuse-ext4-shared-memcg+mlock");
    EXPECT_EQ(text_of(verdict["outcome"]), "unsupported");
    EXPECT_THAT(verdict["reasons"].dump(), HasSubstr("mlockall succeeds without effect"));
    // And the same with the call as it is, to see that it is the broken one which is refused.
    const Ran whole =
        run_reflux(fmt::format("run fuse-ext4-shared-memcg --mitigation mlock --json --set memcg.limit=none "
                               "--set workload.work=64MiB "
                               "--out {}",
                               out()));
    EXPECT_EQ(whole.code, 0) << whole.output << whole.errors;
    const auto mitigation = whole.verdict()["mitigations"][0];
    EXPECT_TRUE(mitigation["applied"]) << mitigation;
    EXPECT_THAT(text_of(mitigation["detail"]), HasSubstr("VmLck of refluxd is"));
}

}  // namespace
}  // namespace reflux::test
