// Bad input and missing things: one clear message, the documented exit status, nothing left (RefluxTest
// compares).
#include "backend/base/kernel_file.h"
#include "tests/integration/support/reflux_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::HasSubstr;

class BadInputTest : public RefluxTest {
  protected:
    // In a mount namespace of its own, after `preparation`.
    Ran run_in_namespace(const std::string& preparation, const std::string& arguments) {
        return run_shell(fmt::format(
            "exec unshare --mount --propagation private sh -c '{} && exec \"$REFLUX\" run --out {} "
            "{}'",
            preparation, out(), arguments));
    }
    Ran run(const std::string& arguments) {
        return run_reflux(fmt::format("run --out {} {}", out(), arguments));
    }
};

TEST_F(BadInputTest, UnknownKeyIsToldWithFileAndLine) {
    const auto file = scenario("typo", "question = \"?\"\n[stack]\nuper = \"ext4\"\n");
    const Ran ran = run(file);
    EXPECT_EQ(ran.code, 2);
    EXPECT_THAT(ran.errors, HasSubstr(file + ":3: "));
    EXPECT_THAT(ran.errors, HasSubstr("stack.upper"));
}

TEST_F(BadInputTest, UnknownScenarioNamesNearOnes) {
    const Ran ran = run("fuse-ext4-shard-memcg");
    EXPECT_EQ(ran.code, 2);
    EXPECT_THAT(ran.errors, HasSubstr("fuse-ext4-shared-memcg"));
}

TEST_F(BadInputTest, UnknownOptionVerbKeyAndMitigation) {
    EXPECT_EQ(run_reflux("run --bogus x").code, 2);
    EXPECT_EQ(run_reflux("bogus").code, 2);
    EXPECT_EQ(run_reflux("").code, 2);
    EXPECT_EQ(run("fuse-ext4-own-cgroup --set memcg.limit=64MB").code, 2);
    EXPECT_EQ(run("fuse-ext4-own-cgroup --set memcg.limt=64MiB").code, 2);
    const Ran ran = run("fuse-ext4-own-cgroup --set mitigation.apply=no_such_thing");
    EXPECT_EQ(ran.code, 2) << ran.output << ran.errors;
    EXPECT_THAT(ran.errors, HasSubstr("no_such_thing"));
}

TEST_F(BadInputTest, ALowerImageThatIsTooSmallIsToldWhatIsNeeded) {
    const Ran ran = run("fuse-ext4-own-cgroup --set stack.lower_size=100MiB");
    EXPECT_EQ(ran.code, 2);
    EXPECT_THAT(ran.errors, HasSubstr("lower_size"));
    EXPECT_THAT(ran.errors, HasSubstr("MiB"));
}

TEST_F(BadInputTest, NoRoot) {
    const Ran ran = run_shell(
        "exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$REFLUX\" run fuse-ext4-own-cgroup");
    EXPECT_EQ(ran.code, 3);
    EXPECT_THAT(ran.errors, HasSubstr("not root"));
}

TEST_F(BadInputTest, NoDevFuse) {
    // A device node on a nodev mount does not open, as where the module is missing.
    const Ran ran = run_in_namespace(
        "mount --bind /dev/fuse /dev/fuse && mount -o remount,bind,nodev /dev/fuse", "fuse-ext4-own-cgroup");
    EXPECT_EQ(ran.code, 3) << ran.output << ran.errors;
    EXPECT_THAT(ran.output, HasSubstr("/dev/fuse"));
    EXPECT_THAT(ran.output, HasSubstr("modprobe fuse"));
}

TEST_F(BadInputTest, NoMkfs) {
    const Ran ran = run_in_namespace(
        "mount --bind /dev/null $(readlink -f $(command -v mkfs.xfs || echo /sbin/mkfs.xfs))",
        "fuse-xfs-shared-memcg");
    EXPECT_EQ(ran.code, 3) << ran.output << ran.errors;
    EXPECT_THAT(ran.output, HasSubstr("xfsprogs"));
}

TEST_F(BadInputTest, ImageFolderWithoutRoom) {
    const Ran ran = run_in_namespace(
        fmt::format("mount -t tmpfs -o size=16m none {} && export TMPDIR={}", "/mnt", "/mnt"),
        "fuse-ext4-own-cgroup");
    EXPECT_EQ(ran.code, 3) << ran.output << ran.errors;
    EXPECT_THAT(ran.output, HasSubstr("/mnt has"));
    EXPECT_THAT(ran.output, HasSubstr("TMPDIR"));
}

TEST_F(BadInputTest, ControlSocketPathTooLong) {
    const std::string longer = folder_ / std::string(120, 'x');
    const Ran ran = run_shell(
        fmt::format("REFLUX_STATE={} exec \"$REFLUX\" run fuse-ext4-own-cgroup --out {}", longer, out()));
    EXPECT_EQ(ran.code, 2) << ran.output << ran.errors;
    EXPECT_THAT(ran.errors, HasSubstr("REFLUX_STATE"));
}

TEST_F(BadInputTest, OutFolderThatCannotBeMade) {
    const Ran ran = run_reflux("run fuse-ext4-own-cgroup --out /proc/nowhere");
    EXPECT_EQ(ran.code, 4);
    EXPECT_THAT(ran.errors, HasSubstr("/proc/nowhere"));
}

TEST_F(BadInputTest, ExplainOfNoRunFolder) {
    const Ran missing = run_reflux("explain " + folder_.path());
    EXPECT_EQ(missing.code, 2);
    EXPECT_THAT(missing.errors, HasSubstr("evidence.json"));
    folder_.write("evidence.json", "{\"schema\": 99}");
    EXPECT_EQ(run_reflux("explain " + folder_.path()).code, 2);
    folder_.write("evidence.json", "not json");
    EXPECT_EQ(run_reflux("explain " + folder_.path()).code, 2);
}

// Every line of a help that names an option or argument also says what it is for.
TEST_F(BadInputTest, HelpOfEveryVerbIsComplete) {
    const std::string all = run_reflux("--help").output;
    EXPECT_THAT(all, HasSubstr("Exit status: 0"));
    for (const std::string verb : {"probe", "list", "check", "run", "explain", "clean"}) {
        EXPECT_THAT(all, HasSubstr("  " + verb + " "));
        const Ran ran = run_reflux(verb + " --help");
        EXPECT_EQ(ran.code, 0) << verb;
        // A long option has its description on the next line, far to the right.
        const auto lines = lines_of(ran.output);
        for (std::size_t i = 0; i < lines.size(); ++i) {
            if (lines[i].starts_with("  -")) {
                const std::string both = lines[i] + (i + 1 < lines.size() ? "\n" + lines[i + 1] : "");
                EXPECT_THAT(both, ::testing::ContainsRegex("^  -[^\n]*(  +[A-Za-z]|\n          +[A-Za-z])"))
                    << verb;
            }
        }
    }
    const std::string run = run_reflux("run --help").output;
    for (const char* option : {"--set", "--repeat", "--out", "--json", "--keep"}) {
        EXPECT_THAT(run, HasSubstr(option));
    }
}

}  // namespace
}  // namespace reflux::test
