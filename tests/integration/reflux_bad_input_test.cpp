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
    // It ended with this status, and one of its streams holds all of these.
    static void expect_told(const Ran& ran, int code, const std::string Ran::*stream,
                            const std::vector<std::string>& parts) {
        EXPECT_EQ(ran.code, code) << ran.output << ran.errors;
        for (const auto& part : parts) {
            EXPECT_THAT(ran.*stream, HasSubstr(part));
        }
    }
};

TEST_F(BadInputTest, UnknownKeyIsToldWithFileAndLine) {
    const auto file = scenario("typo", "question = \"?\"\n[stack]\nuper = \"ext4\"\n");
    expect_told(run(file), 2, &Ran::errors, {file + ":3: ", "stack.upper"});
}

TEST_F(BadInputTest, UnknownScenarioNamesNearOnes) {
    expect_told(run("fuse-ext4-shard-memcg"), 2, &Ran::errors, {"fuse-ext4-shared-memcg"});
}

TEST_F(BadInputTest, CheckLooksForTheScenariosThatAreNamed) {
    const auto file = scenario("lonely", "question = \"?\"\nbaseline = \"fuse-ext4-shard-memcg\"\n");
    expect_told(run_reflux("check " + file), 2, &Ran::output, {"baseline", "fuse-ext4-shared-memcg"});
    EXPECT_EQ(run_reflux("check").code, 0);
}

TEST_F(BadInputTest, UnknownOptionVerbKeyAndMitigation) {
    EXPECT_EQ(run_reflux("run --bogus x").code, 2);
    EXPECT_EQ(run_reflux("bogus").code, 2);
    EXPECT_EQ(run_reflux("").code, 2);
    EXPECT_EQ(run("fuse-ext4-own-cgroup --set memcg.limit=64MB").code, 2);
    EXPECT_EQ(run("fuse-ext4-own-cgroup --set memcg.limt=64MiB").code, 2);
    expect_told(run("fuse-ext4-own-cgroup --set mitigation.apply=no_such_thing"), 2, &Ran::errors,
                {"no_such_thing"});
}

TEST_F(BadInputTest, ALowerImageThatIsTooSmallIsToldWhatIsNeeded) {
    expect_told(run("fuse-ext4-own-cgroup --set stack.lower_size=100MiB"), 2, &Ran::errors,
                {"lower_size", "MiB"});
}

TEST_F(BadInputTest, NoRoot) {
    expect_told(
        run_shell(
            "exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$REFLUX\" run fuse-ext4-own-cgroup"),
        3, &Ran::errors, {"not root"});
}

TEST_F(BadInputTest, NoDevFuse) {
    // A device node on a nodev mount does not open, as where the module is missing.
    expect_told(run_in_namespace("mount --bind /dev/fuse /dev/fuse && mount -o remount,bind,nodev /dev/fuse",
                                 "fuse-ext4-own-cgroup"),
                3, &Ran::output, {"/dev/fuse", "modprobe fuse"});
}

TEST_F(BadInputTest, NoMkfs) {
    expect_told(run_in_namespace(
                    "mount --bind /dev/null $(readlink -f $(command -v mkfs.xfs || echo /sbin/mkfs.xfs))",
                    "fuse-xfs-shared-memcg"),
                3, &Ran::output, {"xfsprogs"});
}

TEST_F(BadInputTest, ImageFolderWithoutRoom) {
    expect_told(run_in_namespace(
                    fmt::format("mount -t tmpfs -o size=16m none {} && export TMPDIR={}", "/mnt", "/mnt"),
                    "fuse-ext4-own-cgroup"),
                3, &Ran::output, {"/mnt has", "TMPDIR"});
}

TEST_F(BadInputTest, OutFolderWithoutRoom) {
    expect_told(run_in_namespace(fmt::format("mkdir -p {0} && mount -t tmpfs -o size=16m none {0}", out()),
                                 "fuse-ext4-own-cgroup"),
                3, &Ran::errors, {out() + " has 16", "--out"});
}

TEST_F(BadInputTest, ControlSocketPathTooLong) {
    const std::string longer = folder_ / std::string(120, 'x');
    expect_told(run_shell(fmt::format("REFLUX_STATE={} exec \"$REFLUX\" run fuse-ext4-own-cgroup --out {}",
                                      longer, out())),
                2, &Ran::errors, {"REFLUX_STATE"});
}

TEST_F(BadInputTest, OutFolderThatCannotBeMade) {
    expect_told(run_reflux("run fuse-ext4-own-cgroup --out /proc/nowhere"), 4, &Ran::errors,
                {"/proc/nowhere"});
}

TEST_F(BadInputTest, ExplainOfNoRunFolder) {
    expect_told(run_reflux("explain " + folder_.path()), 2, &Ran::errors, {"evidence.json"});
    folder_.write("evidence.json", "{\"schema\": 99}");
    EXPECT_EQ(run_reflux("explain " + folder_.path()).code, 2);
    folder_.write("evidence.json", "not json");
    EXPECT_EQ(run_reflux("explain " + folder_.path()).code, 2);
    EXPECT_EQ(run_reflux("explain --json --dot " + folder_.path()).code, 2);
}

// Every line of a help that names an option, an argument or a verb also says what it is for.
void expect_complete(const std::string& verb, const std::string& help) {
    const auto lines = lines_of(help);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (lines[i].starts_with("  ") && lines[i][2] != ' ') {
            // After a long name the description stands on the next line, far to the right.
            const std::string both = lines[i] + (i + 1 < lines.size() ? "\n" + lines[i + 1] : "");
            EXPECT_THAT(both, ::testing::ContainsRegex("^  [^\n]*[^ \n](  +[^ \n]|\n          +[^ \n])"))
                << verb;
        }
    }
}

TEST_F(BadInputTest, HelpOfEveryVerbIsComplete) {
    // With what a help must name.
    const std::vector<std::pair<std::string, std::vector<std::string>>> verbs{
        {"",
         {"probe", "list", "check", "run", "matrix", "explain", "report", "clean", "vm", "audit", "exec",
          "Exit status: 0"}},
        {"probe", {}},
        {"list", {"what"}},
        {"check", {"file"}},
        {"run",
         {"scenario", "--set", "--repeat", "--with-baseline", "--out", "--vm [KERNEL]", "--json", "--keep"}},
        {"matrix",
         {"scenario", "--set", "--repeat", "--with-baseline", "--kernels", "--jobs", "--shard", "-o,--out",
          "--json"}},
        {"explain", {"run_folder", "--json", "--dot"}},
        {"report", {"folder", "-o,--out", "--format", "Exit status: 0"}},
        {"clean", {}},
        {"audit", {"pid", "--only", "--except", "--json", "Exit status: 0"}},
        {"exec", {"--mitigation", "command", "Exit status: "}},
        {"vm", {"list", "fetch", "shell"}},
        {"vm list", {}},
        {"vm fetch", {"kernel"}},
        {"vm shell", {"kernel", "--cgroup", "--memory", "--cpus"}},
    };
    for (const auto& [verb, named] : verbs) {
        const Ran ran = run_reflux(verb + " --help");
        EXPECT_EQ(ran.code, 0) << verb;
        expect_complete(verb, ran.output);
        for (const auto& name : named) {
            EXPECT_THAT(ran.output, HasSubstr((name.starts_with("Exit") ? "\n" : "\n  ") + name)) << verb;
        }
    }
}

}  // namespace
}  // namespace reflux::test
