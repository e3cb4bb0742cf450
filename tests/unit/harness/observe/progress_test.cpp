#include "harness/observe/progress.h"

#include "temporary_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::observe {
namespace {

using testing::HasSubstr;

TEST(BlockCounters, AddUpWhatCompleted) {
    TemporaryTree sys;
    sys.file(
        "dev/block/7:1/stat",
        "      10      0      80       1       20      3     160        2        5       3       4        1"
        "        0        8        0        4        1\n");
    const auto counters = block_counters(sys.path(), "7:1");
    ASSERT_TRUE(counters) << counters.error().message;
    EXPECT_EQ(counters->completed, 35U);
    EXPECT_EQ(counters->in_flight, 5U);
    sys.file("dev/block/7:1/inflight", "       2        7\n");
    EXPECT_EQ(block_counters(sys.path(), "7:1")->in_flight, 9U);
}

TEST(BlockCounters, OldKernelsHaveFewerFields) {
    TemporaryTree sys;
    sys.file("dev/block/8:0/stat", "1 2 3 4 5 6 7 8 9 10 11\n");
    const auto counters = block_counters(sys.path(), "8:0");
    ASSERT_TRUE(counters);
    EXPECT_EQ(counters->completed, 6U);
    EXPECT_EQ(counters->in_flight, 9U);
}

TEST(BlockCounters, SayWhatIsWrong) {
    TemporaryTree sys;
    EXPECT_THAT(block_counters(sys.path(), "7:9").error().message, HasSubstr("7:9/stat"));
    sys.file("dev/block/7:1/stat", "1 2 3\n");
    EXPECT_THAT(block_counters(sys.path(), "7:1").error().message, HasSubstr("3 fields"));
    sys.file("dev/block/7:1/stat", "1 2 x 4 5 6 7 8 9\n");
    EXPECT_THAT(block_counters(sys.path(), "7:1").error().message, HasSubstr("'x'"));
    sys.file("dev/block/7:1/stat", "");
    EXPECT_FALSE(block_counters(sys.path(), "7:1"));
}

TEST(BtrfsBdiName, IsThatOfTheFilesystemOnTheDevice) {
    TemporaryTree sys;
    EXPECT_EQ(btrfs_bdi_name(sys.path(), "loop1"), std::nullopt);
    sys.file("fs/btrfs/features/x", "");
    sys.file("fs/btrfs/1111/devices/sda", "");
    sys.file("fs/btrfs/2222/devices/loop1", "");
    std::filesystem::create_symlink("../../../devices/virtual/bdi/btrfs-7", sys.path("fs/btrfs/2222/bdi"));
    EXPECT_EQ(btrfs_bdi_name(sys.path(), "loop1"), "btrfs-7");
    EXPECT_EQ(btrfs_bdi_name(sys.path(), "sda"), std::nullopt);
}

TEST(OomKills, OfATreeOfCgroupsAreAddedUp) {
    TemporaryTree v2;
    v2.file("run/memory.events.local", "low 0\noom 5\noom_kill 1\noom_group_kill 0\n");
    v2.file("run/memory.events", "oom_kill 4\n");  // with those below, which are counted by themselves
    v2.file("run/pressed/memory.events.local", "oom_kill 2\n");
    v2.file("run/pressed/daemon/memory.events.local", "oom_kill 1\n");
    EXPECT_EQ(*cgroup_oom_kills(v2.path("run")), 4U);
    TemporaryTree v1;
    v1.file("run/memory.oom_control", "oom_kill_disable 1\nunder_oom 0\noom_kill 0\n");
    v1.file("run/pressed/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    EXPECT_EQ(*cgroup_oom_kills(v1.path("run")), 3U);
    v1.file("run/pressed/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n");
    const auto older = cgroup_oom_kills(v1.path("run"));
    ASSERT_FALSE(older);
    EXPECT_EQ(older.error().kind, ErrorKind::unsupported);
    EXPECT_FALSE(cgroup_oom_kills(v1.path("gone")));
}

TEST(OomKills, OfTheMachine) {
    TemporaryTree proc;
    EXPECT_FALSE(machine_oom_kills(proc.path()));
    proc.file("vmstat", "drop_slab 3\noom_kill 12\nunevictable_pgs_culled 1\n");
    EXPECT_EQ(*machine_oom_kills(proc.path()), 12U);
}

TEST(MachineMemory, TellsFreeSlabAndSwap) {
    TemporaryTree proc;
    EXPECT_FALSE(machine_memory(proc.path()));
    proc.file("meminfo",
              "MemTotal:       24576000 kB\nMemFree:            1200 kB\nSwapCached:           12 kB\n"
              "SwapTotal:         65532 kB\nSwapFree:            400 kB\nSReclaimable:      97000 kB\n");
    const auto memory = machine_memory(proc.path());
    ASSERT_TRUE(memory) << memory.error().message;
    EXPECT_EQ(memory->free_bytes, 1200U * 1024);
    EXPECT_EQ(memory->slab_reclaimable_bytes, 97000U * 1024);
    EXPECT_EQ(memory->swap_free_bytes, 400U * 1024);
    proc.file("meminfo", "MemFree: 1 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\nSReclaimable: 2 kB\n");
    EXPECT_FALSE(machine_memory(proc.path()).value().swap_free_bytes);
}

TEST(Cgroup, UsageOfBothVersions) {
    TemporaryTree v1;
    v1.file("memory.usage_in_bytes", "67108864\n");
    EXPECT_EQ(memory_usage(v1.path()).value_or(0), 67108864U);

    TemporaryTree v2;
    v2.file("memory.current", "4096\n");
    EXPECT_EQ(memory_usage(v2.path()).value_or(0), 4096U);
}

TEST(Cgroup, AMissingCounterIsAnErrorThatNamesIt) {
    TemporaryTree empty;
    EXPECT_THAT(memory_usage(empty.path()).error().message, HasSubstr("memory.usage_in_bytes"));
}

TEST(FuseWaiting, IsANumber) {
    TemporaryTree connection;
    connection.file("waiting", "12\n");
    EXPECT_EQ(fuse_waiting(connection.path()).value_or(0), 12U);
    EXPECT_FALSE(fuse_waiting(connection.path("gone")));
}

TEST(MemoryPressure, TheCgroupsOwnComesFirst) {
    TemporaryTree cgroup;
    TemporaryTree proc;
    const auto none = memory_pressure(cgroup.path(), proc.path());
    ASSERT_TRUE(none);
    EXPECT_FALSE(*none);
    proc.file("pressure/memory",
              "some avg10=1.00 avg60=2.00 avg300=3.00 total=4\nfull avg10=0.50 avg60=0 avg300=0 total=1\n");
    EXPECT_DOUBLE_EQ((*memory_pressure(cgroup.path(), proc.path()))->full_avg10, 0.5);
    cgroup.file(
        "memory.pressure",
        "some avg10=93.25 avg60=2.00 avg300=3.00 total=4\nfull avg10=88.75 avg60=0 avg300=0 total=1\n");
    const auto both = memory_pressure(cgroup.path(), proc.path());
    ASSERT_TRUE(both && *both);
    EXPECT_DOUBLE_EQ((*both)->some_avg10, 93.25);
    EXPECT_DOUBLE_EQ((*both)->full_avg10, 88.75);
}

TEST(MemoryPressure, NonsenseIsAnError) {
    TemporaryTree cgroup;
    cgroup.file("memory.pressure", "some avg10=x\n");
    EXPECT_THAT(memory_pressure(cgroup.path(), "/nowhere").error().message, HasSubstr("memory.pressure"));
}

}  // namespace
}  // namespace reflux::observe
