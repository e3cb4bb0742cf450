// Lines as kernels wrote them: from this project's own runs (OOM, 6.1) and from public reports of others
// (lockdep of 3.7, 5.6 and 5.11, XFS of 3.13 to 4.10).
#include "harness/observe/incidents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::observe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Incidents of(const std::vector<std::string>& lines) {
    Incidents incidents;
    double at_s = 1;
    for (const auto& line : lines) {
        incidents.take(line, at_s);
        at_s += 1;
    }
    return incidents;
}

TEST(Incidents, AVictimOfAMemcgAndItsReaping) {
    const auto seen =
        of({"exe invoked oom-killer: gfp_mask=0x101c4a(GFP_NOFS|__GFP_HIGHMEM|__GFP_HARDWALL|__GFP_MOVABLE|__"
            "GFP_WRITE), order=0, oom_score_adj=0",
            "Memory cgroup out of memory: Killed process 254 (refluxd-io) total-vm:82608kB, anon-rss:1100kB, "
            "file-rss:3504kB, shmem-rss:704kB, UID:0 pgtables:60kB oom_score_adj:0",
            "oom_reaper: reaped process 254 (refluxd-io), now anon-rss:0kB, file-rss:0kB, shmem-rss:704kB"})
            .victims();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].pid, 254);
    EXPECT_EQ(seen[0].name, "refluxd-io");
    EXPECT_TRUE(seen[0].of_memcg);
    EXPECT_DOUBLE_EQ(seen[0].at_s, 2);
    EXPECT_EQ(seen[0].anon_bytes, 1100U * 1024);
    EXPECT_EQ(seen[0].reaped_s, 3);
    EXPECT_FALSE(seen[0].gone_s);
}

TEST(Incidents, AVictimOfTheMachineWhoseNameHasABracket) {
    const auto seen = of({"Out of memory: Killed process 812 (a (b) c) total-vm:1kB, anon-rss:2kB, "
                          "file-rss:3kB, shmem-rss:0kB, UID:0 pgtables:60kB oom_score_adj:0",
                          "oom_reaper: reaped process 813 (other), now anon-rss:0kB"})
                          .victims();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].name, "a (b) c");
    EXPECT_FALSE(seen[0].of_memcg);
    EXPECT_FALSE(seen[0].reaped_s);
}

TEST(Incidents, WhatOnlySpeaksOfKillingIsNoVictim) {
    EXPECT_THAT(of({"Killed process", "Killed process x (y) total-vm:1kB", "Killed process 7 total-vm:1kB",
                    "", "oom_reaper: unable to reap pid:12 (x)", ") total-vm: Killed process 7 (x"})
                    .victims(),
                IsEmpty());
}

TEST(Incidents, AllocationsThatAreTriedAgainAreCountedByTaskAndSize) {
    const auto seen = of({"XFS: fs_mark(3289) possible memory allocation deadlock size 65624 in kmem_alloc "
                          "(mode:0x2408240)",
                          "XFS: fs_mark(3285) possible memory allocation deadlock size 65728 in kmem_alloc "
                          "(mode:0x2408240)",
                          "XFS: fs_mark(3289) possible memory allocation deadlock size 65624 in kmem_alloc "
                          "(mode:0x2408240)"})
                          .allocation_stalls();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[0].task, "fs_mark(3289)");
    EXPECT_EQ(seen[0].function, "kmem_alloc");
    EXPECT_EQ(seen[0].mode, "0x2408240");
    EXPECT_EQ(seen[0].bytes, 65624U);
    EXPECT_EQ(seen[0].count, 2U);
    EXPECT_DOUBLE_EQ(seen[0].first_s, 1);
    EXPECT_DOUBLE_EQ(seen[0].last_s, 3);
    EXPECT_EQ(seen[1].task, "fs_mark(3285)");
}

TEST(Incidents, OlderKernelsTellNeitherTaskNorSize) {
    const auto seen =
        of({"XFS: possible memory allocation deadlock in kmem_alloc (mode:0x8250)"}).allocation_stalls();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].task, "");
    EXPECT_EQ(seen[0].function, "kmem_alloc");
    EXPECT_FALSE(seen[0].bytes);
}

TEST(Incidents, ACircularDependencyWithReclaim) {
    const auto seen =
        of({"======================================================",
            "WARNING: possible circular locking dependency detected", "5.11.0-rc7-syzkaller #0 Not tainted",
            "------------------------------------------------------",
            "kswapd0/2232 is trying to acquire lock:",
            "ffff88801f552650 (sb_internal){.+.+}-{0:0}, at: evict+0x2ed/0x6b0 fs/inode.c:577",
            "\\x0abut task is already holding lock:\\x0affffffff8be89240 (fs_reclaim){+.+.}-{0:0}, "
            "at: __fs_reclaim_acquire+0x0/0x30 mm/page_alloc.c:5195",
            "\\x0awhich lock already depends on the new lock.\\x0a",
            "\\x0athe existing dependency chain (in reverse order) is:",
            "\\x0a-> #1 (fs_reclaim){+.+.}-{0:0}:", "stack backtrace:", "ffff (after the end){x}"})
            .lock_reports();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].kind, "possible circular locking dependency");
    EXPECT_EQ(seen[0].task, "kswapd0/2232");
    EXPECT_THAT(seen[0].locks, ElementsAre("sb_internal", "fs_reclaim"));
    EXPECT_TRUE(seen[0].reclaim);
    EXPECT_DOUBLE_EQ(seen[0].at_s, 2);
}

TEST(Incidents, AnInconsistentStateOfOlderKernels) {
    const auto seen =
        of({"=================================", "[ INFO: inconsistent lock state ]",
            "3.7.0-rc1+ #518 Not tainted", "---------------------------------",
            "inconsistent {RECLAIM_FS-ON-W} -> {IN-RECLAIM_FS-W} usage.",
            "kswapd0/35 [HC0[0]:SC0[0]:HE1:SE1] takes:",
            " (&mapping->i_mmap_mutex){+.+.?.}, at: [<ffffffff81192fbc>] page_referenced+0x9c/0x2e0",
            "{RECLAIM_FS-ON-W} state was registered at:",
            "  [<ffffffff810ed5d6>] mark_held_locks+0x86/0x150"})
            .lock_reports();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].kind, "inconsistent lock state");
    EXPECT_EQ(seen[0].task, "kswapd0/35");
    EXPECT_THAT(seen[0].locks, ElementsAre("&mapping->i_mmap_mutex"));
    EXPECT_TRUE(seen[0].reclaim);
}

TEST(Incidents, TwoReportsAreTwoAndOrdinaryLinesAreNone) {
    const auto seen =
        of({"XFS (loop1): Ending clean mount", "loop1: detected capacity change from 0 to 8",
            "WARNING: possible recursive locking detected",
            "a/1 is trying to acquire lock:", "ffff ((work_completion)(&x->work)){+.+.}-{0:0}, at: f",
            "[ INFO: possible circular locking dependency detected ]"})
            .lock_reports();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[0].kind, "possible recursive locking");
    EXPECT_THAT(seen[0].locks, ElementsAre("(work_completion)(&x->work)"));
    EXPECT_FALSE(seen[0].reclaim);
    EXPECT_EQ(seen[1].kind, "possible circular locking dependency");
    EXPECT_EQ(seen[1].task, "");
}

}  // namespace
}  // namespace reflux::observe
