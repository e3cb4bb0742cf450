#include "harness/probe/probe.h"

#include "backend/base/kernel_file.h"
#include "harness/probe/kernel_features.h"
#include "harness/probe/machine.h"
#include "harness/probe/memory_cgroup.h"
#include "tests/support/temporary_folder.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::probe {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// The kernel's files as a test wants them, in a folder that stands for "/".
class ProbeTest : public ::testing::Test {
  protected:
    ProbeTest() {
        tree_.write("proc/sys/kernel/osrelease", "6.1.0-21-amd64\n");
        tree_.write("proc/sys/kernel/version", "#1 SMP Debian 6.1.90-1\n");
    }
    [[nodiscard]] const std::string& root() const { return tree_.path(); }

    // A finding that says no has to say why, and what to do.
    static void expect_no(const Finding& finding, const std::string& reason, const std::string& hint) {
        EXPECT_FALSE(finding.available) << finding.name;
        EXPECT_THAT(finding.detail, HasSubstr(reason)) << finding.name;
        EXPECT_THAT(finding.hint, HasSubstr(hint)) << finding.name;
    }
    static void expect_yes(const Finding& finding, const std::string& detail) {
        EXPECT_TRUE(finding.available) << finding.name << ": " << finding.detail;
        EXPECT_EQ(finding.detail, detail);
        EXPECT_EQ(finding.hint, "");
    }

    test::TemporaryFolder tree_;
    test::TemporaryFolder empty_;
};

TEST_F(ProbeTest, FunctionsOfTheKernelAndItsModulesAreKnown) {
    EXPECT_FALSE(kernel_has_function(root(), "xfs_inodegc_worker"));
    tree_.write("proc/kallsyms",
                "0000000000000000 T balance_dirty_pages_ratelimited\n"
                "0000000000000000 t xfs_inodegc_worker\t[xfs]\n");
    EXPECT_TRUE(kernel_has_function(root(), "xfs_inodegc_worker"));
    EXPECT_TRUE(kernel_has_function(root(), "balance_dirty_pages_ratelimited"));
    EXPECT_FALSE(kernel_has_function(root(), "xfs_inodegc"));
}

TEST_F(ProbeTest, KernelIsNamedWithItsVersion) {
    expect_yes(kernel(root()), "6.1.0-21-amd64 (#1 SMP Debian 6.1.90-1)");
    expect_no(kernel(empty_.path()), "osrelease", "proc");
}

TEST_F(ProbeTest, MemoryIsReadFromMeminfo) {
    tree_.write("proc/meminfo", "MemTotal:        4194304 kB\nMemFree:  1 kB\nMemAvailable:    2097152 kB\n");
    expect_yes(memory(root()), "4.0 GiB, 2.0 GiB available");
    tree_.write("proc/meminfo", "MemTotal:        1048576 kB\nMemAvailable:    524288 kB\n");
    expect_no(memory(root()), "1.0 GiB, 512.0 MiB available", "1.0 GiB more");
    tree_.write("proc/meminfo", "MemTotal:        1048576 kB\n");
    expect_no(memory(root()), "MemAvailable", "proc");
}

TEST_F(ProbeTest, StacksMustNotBeEmpty) {
    expect_no(task_stacks(root()), "/proc/self/stack", "root");
    tree_.write("proc/self/stack", "\n");
    expect_no(task_stacks(root()), "empty", "CAP_SYS_ADMIN");
    tree_.write("proc/self/stack", "[<0>] proc_pid_stack+0xaf/0x140\n");
    expect_yes(task_stacks(root()), "/proc/PID/stack can be read");
}

TEST_F(ProbeTest, PressureStallInformation) {
    expect_no(pressure_stall_information(root()), "pressure/memory", "psi=1");
    tree_.write("proc/pressure/memory", "some avg10=0.00\n");
    expect_yes(pressure_stall_information(root()), "/proc/pressure/memory");
}

TEST_F(ProbeTest, FusectlMountedMountableOrNeither) {
    const std::vector<Mount> mounted{{"0:5", "/sys/fs/fuse/connections", "fusectl", "rw"}};
    expect_yes(fuse_connections(root(), mounted), "mounted on /sys/fs/fuse/connections");
    tree_.write("proc/filesystems", "nodev\tfuse\n\text4\n");
    expect_no(fuse_connections(root(), {}), "not in /proc/filesystems", "modprobe fuse");
    tree_.write("proc/filesystems", "nodev\tfuse\nnodev\tfusectl\n");
    EXPECT_TRUE(fuse_connections(root(), {}).available);
}

TEST_F(ProbeTest, TracefsNamesTheTracepointsThatAreMissing) {
    tree_.write("proc/filesystems", "nodev\tproc\n");
    expect_no(trace_events(root(), {}), "not in /proc/filesystems", "CONFIG_TRACING");
    tree_.write("proc/filesystems", "nodev\ttracefs\n");
    EXPECT_TRUE(trace_events(root(), {}).available);

    const std::vector<Mount> mounted{{"0:6", "/sys/kernel/tracing", "tracefs", "rw"}};
    expect_no(trace_events(root(), mounted), "cannot be seen", "root");
    const std::string events = "sys/kernel/tracing/events/";
    tree_.write(events + "vmscan/mm_vmscan_direct_reclaim_begin/format", "");
    tree_.write(events + "vmscan/mm_vmscan_memcg_reclaim_begin/format", "");
    tree_.write(events + "writeback/balance_dirty_pages/format", "");
    expect_no(trace_events(root(), mounted),
              "without vmscan/mm_shrink_slab_start, writeback/folio_wait_writeback", "tracepoints");
    tree_.write(events + "vmscan/mm_shrink_slab_start/format", "");
    tree_.write(events + "writeback/wait_on_page_writeback/format", "");  // its name before 5.18
    expect_yes(trace_events(root(), mounted),
               "mounted on /sys/kernel/tracing, with the tracepoints of reclaim and writeback");
}

TEST_F(ProbeTest, MemoryControllerOfEitherVersion) {
    tree_.write("sys/fs/cgroup/memory/cgroup.procs", "");
    tree_.write("sys/fs/cgroup/unified/cgroup.controllers", "\n");
    const Mount v1{"0:32", "/sys/fs/cgroup/memory", "cgroup", "rw,memory"};
    const Mount v2{"0:38", "/sys/fs/cgroup/unified", "cgroup2", "rw"};
    expect_yes(memory_controller(root(), {v1, v2}), "v1 on /sys/fs/cgroup/memory, children can be made");
    expect_no(memory_controller(root(), {v2}), "no mounted cgroup hierarchy", "mount");
    tree_.write("sys/fs/cgroup/unified/cgroup.controllers", "cpu memory io\n");
    expect_yes(memory_controller(root(), {v2}), "v2 on /sys/fs/cgroup/unified, children can be made");
    // One that was mounted and is gone, as a stand-in for one that cannot be written.
    const Mount gone{"0:32", "/sys/fs/cgroup/gone", "cgroup", "rw,memory"};
    expect_no(memory_controller(root(), {gone}), "v1 on /sys/fs/cgroup/gone, but no child", "read-write");
}

TEST_F(ProbeTest, MemoryCgroupTakesWholeWords) {
    const Mount other{"0:9", "/sys/fs/cgroup/x", "cgroup", "rw,memoryless,name=memory2"};
    const auto none = memory_cgroup({other});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind, ErrorKind::unsupported);
}

TEST_F(ProbeTest, LoopDevicesInUseAreThoseWithABackingFile) {
    expect_no(loop_devices(empty_.path()), "sys/block", "sysfs");
    tree_.write("sys/block/loop0/loop/backing_file", "/x\n");
    tree_.write("sys/block/loop1/size", "0\n");
    tree_.write("sys/block/vda/size", "8\n");
    expect_yes(loop_devices(root()), "1 of 2 in use, more are made on demand");
}

TEST_F(ProbeTest, ModulesLoadedBuiltInLoadableOrAbsent) {
    expect_no(module(root(), "dm-zoned", "zoned stacks"), "there is no /lib/modules/6.1.0-21-amd64",
              "zoned stacks");
    const std::string folder = "lib/modules/6.1.0-21-amd64/";
    tree_.write(folder + "modules.dep", "kernel/drivers/md/dm-zoned.ko.xz: kernel/drivers/md/dm-mod.ko.xz\n");
    tree_.write(folder + "modules.builtin", "kernel/drivers/block/ublk_drv.ko\n");
    expect_yes(module(root(), "dm-zoned", "zoned stacks"), "a module, not loaded; zoned stacks");
    expect_yes(module(root(), "ublk_drv", "ublk stacks"), "built in; ublk stacks");
    expect_no(module(root(), "zoned", "p"), "not among the modules of 6.1.0-21-amd64", "p");
    tree_.write("sys/module/dm_zoned/refcnt", "0\n");
    expect_yes(module(root(), "dm-zoned", "zoned stacks"), "loaded or built in; zoned stacks");
}

TEST_F(ProbeTest, DiskSpaceOfAFolder) {
    EXPECT_THAT(disk_space(root()).detail, HasSubstr(" free in " + root()));
    expect_no(disk_space(root() + "/absent"), "absent", "TMPDIR");
    expect_no(disk_space("/proc"), "0 B free in /proc", "1.5 GiB");
}

TEST_F(ProbeTest, AnswersOfTheMachineAreSplitIntoReasonAndHint) {
    expect_yes(finding_of("x", Status{}, "found"), "found");
    const Finding split = finding_of("x", fail(ErrorKind::unsupported, "not root: why; do; this"), "found");
    EXPECT_EQ(split.detail, "not root: why");
    EXPECT_EQ(split.hint, "do; this");
    EXPECT_EQ(finding_of("x", fail(ErrorKind::unsupported, "no"), "found", "hint").hint, "hint");
}

TEST_F(ProbeTest, QuestionsToTheMachineAnswerUnsupported) {
    EXPECT_EQ(probe::root().has_value(), ::geteuid() == 0);
    EXPECT_TRUE(filesystem("proc"));
    const Status absent = filesystem("no-such-filesystem");
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().kind, ErrorKind::unsupported);
    EXPECT_TRUE(program("sh", "dash"));
    const Status no_mkfs = mkfs("absent");
    ASSERT_FALSE(no_mkfs);
    EXPECT_THAT(no_mkfs.error().message, HasSubstr("mkfs.absent; install the package absent-progs"));
    EXPECT_TRUE(device("/dev/null", "hint"));
    const Status no_device = device("/dev/absent", "hint");
    ASSERT_FALSE(no_device);
    EXPECT_EQ(no_device.error().kind, ErrorKind::unsupported);
    EXPECT_THAT(no_device.error().message, StartsWith("open /dev/absent"));
    EXPECT_FALSE(capability(63, "CAP_NONE"));
}

TEST_F(ProbeTest, TheWholeAnswerIsCompleteAndChangesNothing) {
    const auto before = mounts();
    ASSERT_TRUE(before);
    const auto findings = probe::probe(root());
    std::set<std::string> names;
    for (const Finding& finding : findings) {
        EXPECT_TRUE(names.insert(finding.name).second) << finding.name << " twice";
        EXPECT_FALSE(finding.detail.empty()) << finding.name;
        EXPECT_EQ(finding.hint.empty(), finding.available) << finding.name << ": " << finding.detail;
        EXPECT_EQ(finding.detail.find('\n'), std::string::npos) << finding.name;
    }
    EXPECT_GE(names.size(), 20U);
    const auto after = mounts();
    ASSERT_TRUE(after);
    EXPECT_EQ(before->size(), after->size());
}

}  // namespace
}  // namespace reflux::probe
