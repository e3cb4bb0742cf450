#include "harness/observe/kernel_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::observe {
namespace {

using testing::HasSubstr;

TEST(KernelLogRecord, HasLevelTimeAndText) {
    const auto record = parse_kernel_log_record(
        "3,1339,5140900,-;EXT4-fs error (device loop1): ext4_find_entry:1; x\n SUBSYSTEM=block\n "
        "DEVICE=b7:1\n");
    ASSERT_TRUE(record);
    EXPECT_EQ(record->level, 3);
    EXPECT_TRUE(record->from_kernel);
    EXPECT_EQ(record->sequence, 1339U);
    EXPECT_DOUBLE_EQ(record->time_s, 5.1409);
    EXPECT_EQ(record->text, "EXT4-fs error (device loop1): ext4_find_entry:1; x");
}

TEST(KernelLogRecord, AProgramsLineIsToldApart) {
    const auto record = parse_kernel_log_record("12,1,2,-,caller=T1;INFO: systemd\n");
    ASSERT_TRUE(record);
    EXPECT_EQ(record->level, 4);
    EXPECT_FALSE(record->from_kernel);
}

TEST(KernelLogRecord, RefusesGarbage) {
    for (const auto* text : {"", ";", "6;x", "6,1;x", "6,1,2;x", "x,1,2,-;x", "6,,2,-;x", "6,1,2,-",
                             "-6,1,2,-;x", "99999999999999999999,1,2,-;x"}) {
        EXPECT_FALSE(parse_kernel_log_record(text)) << text;
    }
}

TEST(SpeaksOfTrouble, KnowsTheKernelsWords) {
    for (const auto* line :
         {"INFO: task dd:123 blocked for more than 122 seconds.", "WARNING: CPU: 0 PID: 1 at fs/inode.c:1",
          "BUG: kernel NULL pointer dereference, address: 0", "kernel BUG at mm/vmscan.c:1!",
          "I/O error, dev loop1, sector 8 op 0x1:(WRITE)", "Buffer I/O error on dev loop1, logical block 1",
          "EXT4-fs error (device loop1): ext4_journal_check_start:83: Detected aborted journal",
          "XFS (loop1): Filesystem has been shut down due to log error (0x2).",
          "XFS (loop1): User initiated shutdown received. Shutting down filesystem.",
          "XFS: kworker/1:1(5) possible memory allocation deadlock size 64 in kmem_alloc (mode:0x250)",
          "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/",
          "Memory cgroup out of memory: Killed process 1 (refluxd)",
          "WARNING: possible circular locking dependency detected",
          "BTRFS error (device loop1): bdev /dev/loop1 errs", "Aborting journal on device loop1-8."}) {
        EXPECT_TRUE(speaks_of_trouble(line)) << line;
    }
    for (const auto* line :
         {"", "EXT4-fs (loop1): mounted filesystem with ordered data mode",
          "XFS (loop1): Mounting V5 Filesystem", "loop1: detected capacity change from 0 to 524288",
          "EXT4-fs (loop1): unmounting filesystem.", "XFS (loop1): Ending clean mount",
          "Linux version 6.18"}) {
        EXPECT_FALSE(speaks_of_trouble(line)) << line;
    }
}

TEST(KernelLog, UnreadableIsNoError) {
    auto log = KernelLog::open("/nowhere/kmsg");
    EXPECT_FALSE(log.available());
    EXPECT_THAT(log.unavailable_reason(), HasSubstr("/nowhere/kmsg"));
    const auto records = log.drain();
    ASSERT_TRUE(records);
    EXPECT_TRUE(records->empty());
}

}  // namespace
}  // namespace reflux::observe
