// What a parsed trace says of single reclaims: shrinkers, sleeps, masks.
#include "backend/base/kernel_file.h"
#include "harness/observe/trace_parser.h"
#include "temporary_tree.h"
#include "tests/unit/harness/observe/trace_lines.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::observe {
namespace {

using testing::SizeIs;

std::string shrink(const std::string& what, const std::string& object) {
    return "mm_shrink_slab_" + what + ": super_cache_scan+0x0/0x190 " + object + ": nid: 0 x";
}
std::string prune(const std::string& what, int device) {
    return fmt::format("prune_{0}_sb: (prune_{0}_sb+0x0/0x90) sb_dev={1}", what, device);
}
std::string sleep_of(int tid) {
    return fmt::format(
        "sched_switch: prev_comm=dd prev_pid={} prev_prio=120 prev_state=D ==> next_comm=a "
        "next_pid=0 next_prio=120",
        tid);
}
std::string switch_to(int tid) {
    return fmt::format(
        "sched_switch: prev_comm=a prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=dd "
        "next_pid={} next_prio=120",
        tid);
}

// As 5.10 to 6.18 print it.
std::string scan(int scanned, int reclaimed) {
    return fmt::format(
        "mm_vmscan_lru_shrink_inactive: nid=0 nr_scanned={} nr_reclaimed={} nr_dirty=0 nr_writeback=3 "
        "nr_congested=0 nr_immediate=0 nr_activate_anon=0 nr_activate_file=1 nr_ref_keep=0 nr_unmap_fail=0 "
        "priority=12 flags=RECLAIM_WB_FILE|RECLAIM_WB_ASYNC",
        scanned, reclaimed);
}

TEST(TraceParser, ScansAreAddedUpAndTakeNoOthersPlace) {
    auto parser = parser_for("7:1", "7:0");
    EXPECT_FALSE(parser.summary().scan);
    parser.feed(line(5, 0.9, scan(999, 999)) +  // before the trace saw its reclaim begin
                line(5, 1.0, begin_memcg) + line(5, 1.1, "folio_wait_writeback: bdi 7:1: ino=14 index=8") +
                line(5, 1.2, scan(32, 0)) + line(6, 1.3, scan(999, 999)) + line(5, 1.4, scan(31, 7)) +
                line(5, 1.5, sleep_of(5)));
    const auto summary = parser.summary();
    ASSERT_TRUE(summary.scan);
    EXPECT_EQ(summary.scan->batches, 2U);
    EXPECT_EQ(summary.scan->scanned_pages, 63U);
    EXPECT_EQ(summary.scan->reclaimed_pages, 7U);
    EXPECT_EQ(summary.reclaims.at(0).inside_count, 1U);
    EXPECT_EQ(summary.reclaims.at(0).waits.at(0).event, "folio_wait_writeback");
    EXPECT_EQ(summary.last_events.at(0).event, "folio_wait_writeback");
    EXPECT_EQ(parser.garbage(), 0U);
    parser.feed(line(5, 1.6, "mm_vmscan_lru_shrink_inactive: nid=0 nr_scanned=x"));
    EXPECT_EQ(parser.garbage(), 1U);
    EXPECT_EQ(parser.summary().scan->batches, 2U);
}

TEST(TraceParser, AShrinkerBelongsToTheSuperblockThatItPrunes) {
    auto parser = parser_for("7:1", "7:0");
    parser.feed(line(5, 1.0, begin_memcg) +  //
                line(5, 1.1, shrink("start", "000000aa")) + line(5, 1.2, shrink("end", "000000aa")) +
                line(5, 1.3, shrink("start", "000000bb")) + line(5, 1.31, prune("dcache", 7340032)) +
                line(5, 1.32, prune("icache", 7340032)) + line(5, 1.4, shrink("end", "000000bb")) +
                line(5, 1.5, shrink("start", "000000cc")) + line(5, 1.51, prune("dcache", 45)) +
                line(5, 1.6, shrink("end", "000000cc")) +
                // Now it is known whose the first one is, and another call of it does not end.
                line(5, 1.7, shrink("start", "000000aa")) + line(5, 1.71, prune("dcache", 7340033)) +
                line(5, 1.72, prune("icache", 7340033)));
    const auto summary = parser.summary();
    ASSERT_THAT(summary.reclaims, SizeIs(1));
    const auto& shrinkers = summary.reclaims[0].shrinkers;
    ASSERT_THAT(shrinkers, SizeIs(3));
    EXPECT_EQ(shrinkers[0].function, "super_cache_scan");
    EXPECT_EQ(shrinkers[0].superblock, "7:1");
    EXPECT_EQ(shrinkers[0].side, "upper");
    EXPECT_EQ(shrinkers[0].calls, 2U);
    EXPECT_EQ(shrinkers[0].pruned, 1U);
    EXPECT_NEAR(shrinkers[0].total_s, 0.1, 1e-9);
    EXPECT_FALSE(shrinkers[0].ended);
    EXPECT_EQ(shrinkers[1].side, "lower");
    EXPECT_EQ(shrinkers[1].pruned, 1U);
    EXPECT_TRUE(shrinkers[1].ended);
    EXPECT_EQ(shrinkers[2].superblock, "0:45");
    EXPECT_EQ(shrinkers[2].side, "other");
    // The two prunes of the upper superblock are its shrinker being called.
    EXPECT_EQ(summary.upper_event_count, 2U);
    EXPECT_EQ(summary.reclaims[0].upper_events, 2U);
    ASSERT_THAT(summary.shrinkers, SizeIs(3));
    EXPECT_EQ(summary.shrinkers[0].calls, 2U);
}

TEST(TraceParser, AShrinkerThatReturnsAtOnceReachesNothing) {
    auto parser = parser_for("7:1", "7:0");
    parser.feed(line(4, 0.5, begin_memcg) + line(4, 0.6, shrink("start", "000000aa")) +
                line(4, 0.7, prune("icache", 7340033)) + line(4, 0.8, shrink("end", "000000aa")) +
                line(4, 0.9, end_memcg));
    const auto before = parser.summary().upper_event_count;
    // The same shrinker for a marked thread: the mask has no __GFP_FS, super_cache_scan returns.
    parser.feed(line(5, 1.0, "mm_vmscan_memcg_reclaim_begin: order=0 gfp_flags=GFP_NOIO") +
                line(5, 1.1, shrink("start", "000000aa")) + line(5, 1.2, shrink("end", "000000aa")) +
                line(5, 2.3, end_memcg));
    EXPECT_EQ(before, 1U);
    EXPECT_EQ(parser.summary().upper_event_count, 1U);
    const auto marked = parser.summary().reclaims.back();
    EXPECT_EQ(marked.upper_events, 0U);
    ASSERT_THAT(marked.shrinkers, SizeIs(1));
    EXPECT_EQ(marked.shrinkers[0].side, "upper") << "whose it is stays known";
    EXPECT_EQ(marked.shrinkers[0].pruned, 0U);
}

TEST(TraceParser, AScanOfExtentsTellsWhoseShrinkerItIsAndIsNoRecursion) {
    auto parser = parser_for("7:1", "7:0");
    parser.feed(line(5, 1.0, begin_memcg) +
                line(5, 1.1, "mm_shrink_slab_start: ext4_es_scan+0x0/0x90 000000ee: nid: 0") +
                line(5, 1.2, "ext4_es_shrink_scan_enter: dev 7,1 nr_to_scan 128 cache_cnt 9") +
                line(5, 1.3, "mm_shrink_slab_end: ext4_es_scan+0x0/0x90 000000ee: nid: 0") +
                line(5, 1.4, end_memcg));
    const auto summary = parser.summary();
    EXPECT_EQ(summary.reclaims.at(0).shrinkers.at(0).side, "upper");
    EXPECT_EQ(summary.upper_event_count, 0U);
    EXPECT_EQ(summary.reclaims.at(0).inside_count, 2U);
}

TEST(TraceParser, EvictionsTellWhoseShrinkerItIsWhereThereAreNoProbes) {
    auto parser = parser_for("7:1", "7:0");
    parser.feed(line(5, 1.0, begin_memcg) + line(5, 1.1, shrink("start", "000000aa")) +
                line(5, 1.2, "ext4_evict_inode: dev 7,1 ino 12 nlink 0") +
                line(5, 1.25, "folio_wait_writeback: bdi 7:0: ino=14 index=8") +
                line(5, 1.3, shrink("end", "000000aa")) + line(5, 1.4, shrink("start", "000000bb")) +
                line(5, 1.45, "folio_wait_writeback: bdi 7:0: ino=14 index=8"));
    const auto summary = parser.summary();
    ASSERT_THAT(summary.shrinkers, SizeIs(2));
    EXPECT_EQ(summary.shrinkers[0].side, "upper");
    EXPECT_EQ(summary.shrinkers[1].side, "unknown") << "a wait in it names no superblock of it";
    // What a superblock's own function says holds against what is evicted below it.
    parser.feed(line(5, 1.5, shrink("end", "000000bb")) + line(5, 2.0, shrink("start", "000000aa")) +
                line(5, 2.1, prune("icache", 33)) + line(5, 2.2, "ext4_evict_inode: dev 7,1 ino 13 nlink 0"));
    EXPECT_EQ(parser.summary().shrinkers[0].superblock, "0:33");
}

TEST(TraceParser, ASleepInAReclaimHasItsTimeAndItsStack) {
    auto parser = parser_for("7:1", "7:0");
    parser.feed(line(5, 1.0, begin_memcg) + line(5, 1.1, "folio_wait_writeback: bdi 7:1: ino=14 index=8") +
                line(5, 1.2, sleep_of(5)) + line(5, 1.2, "<stack trace>") +
                " => trace_event_raw_event_sched_switch\n => __schedule\n => schedule\n => io_schedule\n"
                " => folio_wait_writeback\n => shrink_folio_list\n" +
                line(0, 1.7, switch_to(5)) + line(5, 1.8, shrink("start", "000000aa")) +
                line(5, 1.81, prune("icache", 7340033)) + line(5, 2.0, sleep_of(5)) +
                line(5, 2.5, shrink("end", "000000aa")) +
                // The last one does not end, and its stack is the last that there is.
                line(5, 3.0, sleep_of(5)) + line(5, 3.0, "<stack trace>") +
                " => schedule\n => xlog_wait_on_iclog\n");
    EXPECT_EQ(parser.garbage(), 0U);
    EXPECT_EQ(parser.sleeps(), 3U);
    EXPECT_EQ(parser.stacks(), 2U);
    const auto summary = parser.summary();
    const auto& reclaim = summary.reclaims.at(0);
    EXPECT_EQ(reclaim.wait_count, 3U);
    EXPECT_NEAR(reclaim.waited_s, 1.0, 1e-9);
    ASSERT_THAT(reclaim.waits, SizeIs(3));
    EXPECT_NEAR(*reclaim.waits[0].duration_s, 0.5, 1e-9);
    EXPECT_FALSE(reclaim.waits[0].at_most);
    EXPECT_THAT(reclaim.waits[0].stack,
                testing::ElementsAre("schedule", "io_schedule", "folio_wait_writeback", "shrink_folio_list"));
    EXPECT_EQ(reclaim.waits[0].event, "folio_wait_writeback");
    EXPECT_EQ(reclaim.waits[0].device, "7:1");
    EXPECT_EQ(reclaim.waits[0].superblock, "");
    EXPECT_NEAR(*reclaim.waits[1].duration_s, 0.5, 1e-9);
    EXPECT_TRUE(reclaim.waits[1].at_most) << "up to its next event";
    EXPECT_EQ(reclaim.waits[1].superblock, "7:1");
    EXPECT_FALSE(reclaim.waits[2].duration_s);
    EXPECT_THAT(reclaim.waits[2].stack, testing::ElementsAre("schedule", "xlog_wait_on_iclog"));
    // Neither the switches nor the stacks are events of the thread.
    ASSERT_THAT(summary.last_events, SizeIs(1));
    EXPECT_EQ(summary.last_events[0].event, "mm_shrink_slab_end");
    EXPECT_EQ(reclaim.inside_count, 4U);
}

TEST(TraceParser, SleepsOutsideOfReclaimsAndOfOthersAreNotCounted) {
    auto parser = parser_for("7:1", "7:0");
    parser.feed(line(5, 1.0, sleep_of(5)) + line(5, 1.1, begin_memcg) + line(6, 1.2, sleep_of(6)) +
                line(6, 1.2, "<stack trace>") + " => schedule\n" + line(0, 1.3, switch_to(5)) +
                line(5, 1.4, end_memcg));
    const auto reclaim = parser.summary().reclaims.at(0);
    EXPECT_EQ(reclaim.wait_count, 0U);
    EXPECT_THAT(reclaim.waits, SizeIs(0));
    EXPECT_THAT(parser.summary().last_events, SizeIs(1));
}

TEST(TraceParser, KeepsTheLongestSleepsInTheOrderOfTime) {
    auto parser = parser_for("7:1", "7:0");
    parser.feed(line(5, 1.0, begin_memcg));
    for (int i = 0; i < 100; ++i) {
        const double at = 10.0 + i;
        parser.feed(line(5, at, sleep_of(5)) + line(0, at + (i % 10 == 7 ? 0.5 : 0.1), switch_to(5)));
    }
    const auto summary = parser.summary();
    const auto& reclaim = summary.reclaims.at(0);
    EXPECT_EQ(reclaim.wait_count, 100U);
    EXPECT_NEAR(reclaim.waited_s, 14.0, 1e-6);
    ASSERT_THAT(reclaim.waits, SizeIs(8));
    EXPECT_TRUE(std::is_sorted(reclaim.waits.begin(), reclaim.waits.end(),
                               [](const auto& a, const auto& b) { return a.begin_s < b.begin_s; }));
    for (const auto& wait : reclaim.waits) {
        EXPECT_NEAR(*wait.duration_s, 0.5, 1e-6);
    }
}

TEST(TraceParser, AReclaimHasItsOrderAndItsMaskInBits) {
    auto parser = parser_for("7:1", "7:0");
    parser.set_gfp_table(GfpTable::parse(fixture("format_6.18_memcg_reclaim_begin.txt")));
    parser.feed(line(5, 1.0, "mm_vmscan_direct_reclaim_begin: order=3 gfp_flags=GFP_NOIO|__GFP_HIGHMEM") +
                line(5, 1.5, "mm_vmscan_direct_reclaim_end: nr_reclaimed=12") +
                line(5, 2.0, "mm_vmscan_direct_reclaim_begin: order=0 gfp_flags=GFP_NOIO|__GFP_HIGHMEM") +
                line(5, 2.25, "mm_vmscan_direct_reclaim_end: nr_reclaimed=30"));
    const auto summary = parser.summary();
    const auto& reclaim = summary.reclaims.at(0);
    EXPECT_EQ(reclaim.thread, "dd");
    EXPECT_EQ(reclaim.order, 3);
    EXPECT_EQ(reclaim.gfp_bits, 0xc02U);
    EXPECT_EQ(reclaim.gfp_fs, false);
    EXPECT_EQ(reclaim.gfp_io, false);
    ASSERT_THAT(summary.counts, SizeIs(1));
    EXPECT_EQ(summary.counts[0].count, 2U);
    EXPECT_NEAR(summary.counts[0].total_s, 0.75, 1e-9);
    EXPECT_NEAR(summary.counts[0].longest_s, 0.5, 1e-9);
    EXPECT_EQ(summary.counts[0].reclaimed_pages, 42U);
}

}  // namespace
}  // namespace reflux::observe
