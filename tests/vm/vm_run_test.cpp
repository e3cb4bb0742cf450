// Scenarios in virtual machines: the same verdicts from another kernel, and guests that do not come to their
// end. REFLUX_VM_KERNEL names another kernel than 6.1.
#include "backend/base/kernel_file.h"
#include "tests/integration/support/reflux_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using nlohmann::json;
using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;

constexpr Seconds run_time{400};  // emulated, on a machine that does other things too

class VmTest : public RefluxTest {
  protected:
    // `setup`: of the scenario's key vm.setup; no single quotes in it.
    Ran run(const std::string& arguments, const std::string& setup = "") const {
        return run_shell(fmt::format("exec \"$REFLUX\" run {} --json --out {} --set 'vm.setup={}' --vm {}",
                                     arguments, out(), setup, vm_kernel()),
                         run_time);
    }

    static std::string file_of(const json& verdict, const std::string& name) {
        return read_file(text_of(verdict["run_dir"]) + "/" + name).value_or("");
    }

    static std::string last_of(const std::string& text) {
        constexpr std::size_t most = 12000;
        return text.substr(text.size() - std::min(most, text.size()));
    }

    static void expect_ended(const Ran& ran) {
        ASSERT_EQ(ran.code, 0) << ran.output << ran.errors;
        const json verdict = ran.verdict();
        EXPECT_EQ(text_of(verdict["guest"]["end"]), "ended")
            << ran.errors << "\nconsole: ..." << last_of(file_of(verdict, "console.txt"));
        EXPECT_THAT(text_of(verdict["guest"]["accelerator"]), AnyOf("kvm", "tcg"));
        EXPECT_GT(verdict["guest"]["boot_s"], 0);
        EXPECT_GE(verdict["time_factor"], 1);
        EXPECT_TRUE(verdict["leftovers"].empty());
        EXPECT_THAT(file_of(verdict, "guest-dmesg.txt"),
                    HasSubstr("Linux version " + text_of(verdict["kernel"])));
        EXPECT_THAT(file_of(verdict, "kernel-config"), HasSubstr("CONFIG_MEMCG=y"));
        EXPECT_THAT(file_of(verdict, "repro.sh"), HasSubstr("'--vm'"));
    }
};

TEST_F(VmTest, AStallInAGuestIsJudged) {
    const Ran ran = run("fuse-ext4-shared-memcg --set relief.rungs=abort");
    expect_ended(ran);
    const json verdict = ran.verdict();
    EXPECT_TRUE(verdict["met"]);
    if (text_of(verdict["cgroup_version"]) == "v1") {
        EXPECT_THAT(text_of(verdict["outcome"]), AnyOf("deadlock", "livelock"));
        EXPECT_EQ(text_of(verdict["recursion"]), "upper");
        EXPECT_GT(verdict["proof"]["upper_events"], 0);
    }
    EXPECT_FALSE(file_of(verdict, "trace.txt").empty());
}

TEST_F(VmTest, ItsControlCompletes) {
    const Ran ran =
        run("fuse-ext4-shared-memcg-control --set workload.work=256MiB --set observe.trace_overhead=off");
    expect_ended(ran);
    EXPECT_EQ(text_of(ran.verdict()["outcome"]), "completes");
    const auto evidence = evidence_of(ran.verdict());
    EXPECT_GT(evidence["verification"]["bytes_checked"], 1000000);
    EXPECT_EQ(evidence["verification"]["files_wrong"], 0);
}

// What the hosts that run these tests mostly refuse: the mark of PR_SET_IO_FLUSHER.
TEST_F(VmTest, TheMarkedDaemonDoesNotEnterTheUpperFilesystem) {
    // The mark ends the recursion, not the want of memory: the time budget is short, for slow is no surprise.
    const Ran ran = run("fuse-ext4-io-flusher --set judge.time_budget=10s");
    expect_ended(ran);
    const json verdict = ran.verdict();
    ASSERT_EQ(verdict["mitigations"].size(), 1U);
    EXPECT_TRUE(verdict["mitigations"][0]["applied"]);
    EXPECT_THAT(text_of(verdict["mitigations"][0]["detail"]), HasSubstr("every thread"));
    EXPECT_THAT(text_of(verdict["outcome"]), AnyOf("completes", "slow", "livelock"));
    EXPECT_THAT(text_of(verdict["recursion"]), AnyOf("none", "reclaim"));
}

// Waits until the workload writes, then does something to the guest.
std::string once_it_works(const std::string& what) {
    return "(until pgrep -f \"workload --fd\" >/dev/null; do sleep 0.2; done; " + what + ") &";
}

TEST_F(VmTest, AGuestThatPanicsIsAFindingWithItsLastEvidence) {
    REFLUX_LONG_TEST();
    const Ran ran = run("fuse-ext4-own-cgroup", once_it_works("sleep 8; echo c >/proc/sysrq-trigger"));
    EXPECT_EQ(ran.code, 1) << ran.output << ran.errors;
    const json verdict = ran.verdict();
    EXPECT_EQ(text_of(verdict["outcome"]), "inconclusive");
    EXPECT_EQ(text_of(verdict["guest"]["end"]), "panicked");
    EXPECT_THAT(text_of(verdict["reasons"][0]),
                HasSubstr("Kernel panic - not syncing: sysrq triggered crash"));
    const auto evidence = evidence_of(verdict);
    EXPECT_FALSE(evidence["progress"].empty()) << "what was seen until then is kept";
    EXPECT_THAT(file_of(verdict, "console.txt"), HasSubstr("sysrq_handle_crash"));
}

TEST_F(VmTest, AGuestThatIsLostBeforeItsWorkloadIsReplaced) {
    const Ran ran = run("fuse-ext4-own-cgroup --set workload.work=16MiB",
                        "[ -e /run/shared/lost-guest-1 ] || echo c >/proc/sysrq-trigger");
    expect_ended(ran);
    const json verdict = ran.verdict();
    EXPECT_EQ(text_of(verdict["outcome"]), "completes");
    ASSERT_EQ(verdict["guest"]["lost_before"].size(), 1U);
    EXPECT_THAT(text_of(verdict["guest"]["lost_before"][0]), HasSubstr("sysrq triggered crash"));
    EXPECT_THAT(verdict["reasons"].dump(), HasSubstr("a guest before this one was lost"));
    EXPECT_THAT(file_of(verdict, "lost-guest-1/console.txt"), HasSubstr("sysrq_handle_crash"));
}

TEST_F(VmTest, AGuestThatHangsWithInterruptsOnTellsItsTasksAndIsDestroyed) {
    REFLUX_LONG_TEST();
    const Ran ran =
        run("fuse-ext4-own-cgroup --set vm.attempts=1",
            once_it_works("echo -1 >/proc/sys/kernel/sched_rt_runtime_us; "
                          "for i in 1 2 3 4; do chrt -f 99 sh -c \"while :; do :; done\" & done"));
    EXPECT_EQ(ran.code, 1) << ran.output << ran.errors;
    const json verdict = ran.verdict();
    EXPECT_EQ(text_of(verdict["outcome"]), "inconclusive");
    EXPECT_EQ(text_of(verdict["guest"]["end"]), "silent");
    EXPECT_THAT(text_of(verdict["reasons"][0]), HasSubstr("no sign of life"));
    EXPECT_THAT(file_of(verdict, "console.txt"), HasSubstr("sysrq: Show"));
}

// The stack needs nothing of /tmp, which is the guest's memory: of so much that what is left does not press.
TEST_F(VmTest, AGuestWhoseTmpIsFullGivesItsVerdict) {
    REFLUX_LONG_TEST();
    const Ran ran = run("fuse-ext4-own-cgroup --set workload.work=256MiB --set vm.memory=2GiB",
                        "dd if=/dev/zero of=/tmp/fill bs=1M 2>/dev/null || df /tmp");
    expect_ended(ran);
    EXPECT_THAT(file_of(ran.verdict(), "events.txt"), HasSubstr("100% /"));
    EXPECT_EQ(text_of(ran.verdict()["outcome"]), "completes");
}

TEST_F(VmTest, ASetupThatFailsIsAClearError) {
    const Ran ran = run("fuse-ext4-own-cgroup", "false\ntrue");
    EXPECT_EQ(ran.code, 4) << ran.output << ran.errors;
    EXPECT_THAT(text_of(ran.verdict()["reasons"][0]), HasSubstr("vm.setup failed"));
}

TEST_F(VmTest, AHarnessThatIsKilledInTheGuestIsAFailureAndNoVerdict) {
    REFLUX_LONG_TEST();
    const Ran ran = run("fuse-ext4-own-cgroup", once_it_works("sleep 6; pkill -9 -f \"[g]uest-session\""));
    EXPECT_EQ(ran.code, 4) << ran.output << ran.errors;
    EXPECT_THAT(text_of(ran.verdict()["reasons"][0]),
                HasSubstr("the harness in the guest ended with status 137"));
}

TEST_F(VmTest, AKernelThatIsNoneIsAClearError) {
    const Ran ran = run_reflux("run fuse-ext4-own-cgroup --vm nonsense --out " + out());
    EXPECT_EQ(ran.code, 2);
    EXPECT_THAT(ran.errors, HasSubstr("nonsense"));
}

// Its run folder lies on a filesystem that is frozen for longer than a guest may be silent.
TEST_F(VmTest, AHostDiskThatStallsDoesNotStopTheGuest) {
    REFLUX_LONG_TEST();
    const Ran ran = run_shell(fmt::format(R"(set -e
truncate -s 300M {0}.img; mkfs.ext4 -q {0}.img; mkdir {0}; mount -o loop {0}.img {0}
trap 'fsfreeze -u {0} 2>/dev/null || true; umount {0}' EXIT
"$REFLUX" run fuse-ext4-own-cgroup --vm {1} --json --out {0}/runs --set workload.work=16MiB     --set vm.setup='for i in 1 2 3 4 5 6; do sleep 1; done' & pid=$!
until cat {0}/runs/*/events.txt 2>/dev/null | grep -q '@boot ready'; do sleep 0.1; done
fsfreeze -f {0}; sleep 33; fsfreeze -u {0}
wait $pid)",
                                          folder_ / "disk", vm_kernel()),
                              run_time);
    EXPECT_EQ(ran.code, 0) << ran.output << ran.errors;
    EXPECT_EQ(text_of(ran.verdict()["guest"]["end"]), "ended");
    EXPECT_TRUE(ran.verdict()["guest"]["lost_before"].empty());
}

// What is done to a harness whose guest is up: it is `$pid`, and its QEMU `$qemu`.
std::string once_the_guest_is_up(const std::string& out, const std::string& what) {
    return fmt::format(
        "\"$REFLUX\" run fuse-ext4-own-cgroup --vm {2} --json --out {0} & pid=$!\n"
        "until cat {0}/*/events.txt 2>/dev/null | grep -q '@boot ready'; do sleep 0.1; done\n"
        "qemu=$(pgrep -P $pid qemu) || exit 8\n{1}",
        out, what, vm_kernel());
}

// QEMU must not outlive its harness, and nothing has a name that could be left.
TEST_F(VmTest, NothingOutlivesAHarnessThatIsKilled) {
    const Ran ran = run_shell(
        once_the_guest_is_up(out(),
                             "kill -9 $pid && wait $pid\n"
                             "for i in $(seq 100); do [ -d /proc/$qemu ] || exit 7; sleep 0.1; done"));
    EXPECT_EQ(ran.code, 7) << ran.output << ran.errors;
}

TEST_F(VmTest, AnInterruptEndsTheGuestAndSaysSo) {
    const Ran ran = run_shell(once_the_guest_is_up(out(),
                                                   "kill -INT $pid; wait $pid; code=$?\n"
                                                   "[ -d /proc/$qemu ] && exit 9\nexit $code"));
    EXPECT_EQ(ran.code, 4) << ran.output << ran.errors;
    EXPECT_EQ(text_of(ran.verdict()["outcome"]), "harness_error");
    EXPECT_THAT(text_of(ran.verdict()["reasons"][0]), HasSubstr("interrupted"));
}

}  // namespace
}  // namespace reflux::test
