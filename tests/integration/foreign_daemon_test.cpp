// Daemons that we did not write, under the harness on this host.
#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "tests/integration/support/reflux_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

class ForeignDaemonTest : public RefluxTest {
  protected:
    [[nodiscard]] Ran run(const std::string& arguments) const {
        return run_shell(fmt::format("exec \"$REFLUX\" run {} --json --out {}", arguments, out()),
                         Seconds(200));
    }
};

// It tells nothing of what it holds, and yet it is judged; what its disk acknowledged is read back from a
// second one.
TEST_F(ForeignDaemonTest, QemusExportStallsAndIsJudged) {
    const Ran ran = run("foreign-qemu-fuse-ext4 --set relief.rungs=wait,abort");
    ASSERT_EQ(ran.code, 0) << ran.output << ran.errors;
    const json verdict = ran.verdict();
    EXPECT_TRUE(verdict["leftovers"].empty());
    if (text_of(verdict["cgroup_version"]) == "v1") {
        EXPECT_THAT(text_of(verdict["outcome"]), AnyOf("deadlock", "livelock"));
        EXPECT_EQ(text_of(verdict["recursion"]), "upper");
    }
}

TEST_F(ForeignDaemonTest, NbdfuseCompletesWithoutPressure) {
    const Ran ran = run("foreign-nbdfuse-ext4-control --set workload.work=256MiB");
    ASSERT_EQ(ran.code, 0) << ran.output << ran.errors;
    EXPECT_EQ(text_of(ran.verdict()["outcome"]), "completes");
}

// Whoever reads it must not look for the fault in the harness.
TEST_F(ForeignDaemonTest, ADaemonThatEndsAtOnceIsBlamed) {
    const Ran ran = run("foreign-nbdfuse-ext4 --set 'daemon.command=sh -c \"echo no such luck; exit 7\"'");
    EXPECT_EQ(ran.code, 4) << ran.output;
    const json verdict = ran.verdict();
    EXPECT_THAT(text_of(verdict["reasons"][0]),
                AllOf(HasSubstr("the daemon `sh -c \"echo no such luck; exit 7\"` ended (exit 7) "),
                      HasSubstr("waited for "), HasSubstr("/nbd to appear"),
                      HasSubstr("its log ends: no such luck")));
    EXPECT_TRUE(verdict["leftovers"].empty());
    EXPECT_THAT(*read_file(text_of(verdict["run_dir"]) + "/verdict.txt"),
                StartsWith("foreign-nbdfuse-ext4: the daemon did not come to serve (harness_error)"));
}

// What it serves is there, but is no disk: the harness sees that at the next step.
TEST_F(ForeignDaemonTest, ADaemonWhoseDiskDoesNotComeIsBlamed) {
    const Ran ran =
        run("foreign-nbdfuse-ext4 --set 'daemon.command=sh -c \"echo listening; "
            "echo x >{mount}/nbd; exec sleep 60\"'");
    EXPECT_EQ(ran.code, 4) << ran.output;
    EXPECT_THAT(text_of(ran.verdict()["reasons"][0]), AllOf(HasSubstr("runs, but did not come to serve: "),
                                                            HasSubstr(" were waited for its block device; "),
                                                            HasSubstr("its log ends: listening")));
    EXPECT_TRUE(ran.verdict()["leftovers"].empty());
}

// From another folder than that in which it was begun.
TEST_F(ForeignDaemonTest, ItsRunIsRepeatedFromAnyFolder) {
    folder_.write("bin/daemon.sh", "echo begun; exit 9");
    const Ran ran = run_shell(fmt::format("cd {} && exec \"$REFLUX\" run foreign-nbdfuse-ext4 --set "
                                          "'daemon.command=sh ./bin/daemon.sh' --json --out {}",
                                          folder_.path(), out()),
                              Seconds(60));
    const std::string folder = text_of(ran.verdict()["run_dir"]);
    const Ran again = run_shell(fmt::format("cd / && exec sh {}/repro.sh", folder), Seconds(60));
    EXPECT_THAT(again.output, HasSubstr("its log ends: begun")) << again.errors;
}

TEST_F(ForeignDaemonTest, AProgramThatIsMissingIsUnsupported) {
    const Ran ran = run("foreign-nbdfuse-ext4 --set daemon.command=no-such-daemon");
    EXPECT_EQ(ran.code, 3) << ran.output;
    EXPECT_THAT(ran.output, HasSubstr("no-such-daemon"));
}

TEST_F(ForeignDaemonTest, AnOptionOfRefluxdIsUnsupported) {
    const Ran ran = run("foreign-nbdfuse-ext4 --mitigation o_direct");
    EXPECT_EQ(ran.code, 3) << ran.output;
    EXPECT_THAT(ran.output, HasSubstr("an option of refluxd"));
}

}  // namespace
}  // namespace reflux::test
