#include "harness/observe/trace_parser.h"

#include "backend/base/kernel_file.h"
#include "temporary_tree.h"
#include "tests/unit/harness/observe/trace_lines.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::observe {
namespace {

using testing::SizeIs;

TEST(TraceLine, HasAllItsParts) {
    const auto parsed = parse_trace_line(
        "              dd-7613    [001] .N...  2125.611146: mm_vmscan_memcg_reclaim_begin: order=0 "
        "gfp_flags=GFP_NOFS");
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->comm, "dd");
    EXPECT_EQ(parsed->tid, 7613);
    EXPECT_EQ(parsed->cpu, 1);
    EXPECT_DOUBLE_EQ(parsed->time_s, 2125.611146);
    EXPECT_EQ(parsed->event, "mm_vmscan_memcg_reclaim_begin");
    EXPECT_EQ(parsed->fields, "order=0 gfp_flags=GFP_NOFS");
}

TEST(TraceLine, NamesMayLookLikeAnything) {
    const auto parsed = parse_trace_line(" a [1] b-2 [003-55      [000] .....     1.000000: x:");
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->comm, "a [1] b-2 [003");
    EXPECT_EQ(parsed->tid, 55);
    EXPECT_EQ(parsed->fields, "");
    EXPECT_EQ(parse_trace_line("          <idle>-0       [000] d.h1.     1.5: x: y")->comm, "<idle>");
}

TEST(TraceLine, RefusesWhatIsNone) {
    for (const auto* text :
         {"", "# tracer: nop", "CPU:1 [LOST 33 EVENTS]", " => try_to_free_mem_cgroup_pages", "dd-1 [001]",
          "dd-1 [001] .....", "dd-1 [001] ..... 1.0",
          "dd-1 [001] ..... 1.0:", "dd-1 [001] ..... 1.0: no colon", "dd-x [001] ..... 1.0: e: f",
          "dd-1 [x] ..... 1.0: e: f", "dd-1 [001] ..... nan: e: f", "dd-1 [001] ..... 1.0: two words: f",
          "dd-99999999999999 [001] ..... 1.0: e: f", "[[[[[[[[", "-[]:", ") [001] ..... 1.0: e: f"}) {
        EXPECT_FALSE(parse_trace_line(text)) << text;
    }
}

TEST(TraceLine, LostEvents) {
    EXPECT_EQ(parse_lost_events("CPU:1 [LOST 33 EVENTS]"), 33U);
    EXPECT_EQ(parse_lost_events("CPU:1 [LOST EVENTS]"), 1U);
    EXPECT_FALSE(parse_lost_events("CPU:1 [LOST "));
    EXPECT_FALSE(parse_lost_events("dd-1 [LOST 5 EVENTS]"));
}

TEST(TraceFields, AreFoundByName) {
    EXPECT_EQ(trace_field("order=0 gfp_flags=GFP_NOIO|__GFP_HIGHMEM memcg_id=4", "gfp_flags"),
              "GFP_NOIO|__GFP_HIGHMEM");
    EXPECT_EQ(trace_field("xorder=1 order=2", "order"), "2");
    EXPECT_EQ(trace_field("order=", "order"), "");
    EXPECT_FALSE(trace_field("order", "order"));
    EXPECT_FALSE(trace_field("", "order"));
}

TEST(TraceDevice, InEveryWriting) {
    EXPECT_EQ(trace_device("bdi 7:1: ino=14 index=8"), "7:1");
    EXPECT_EQ(trace_device("bdi 0:45-fuse: limit=1"), "0:45");
    EXPECT_EQ(trace_device("bdi btrfs-2: ino=14 index=8"), "btrfs-2");
    EXPECT_EQ(trace_device("bdi (unknown): ino=0 index=8"), "(unknown)");
    EXPECT_EQ(trace_device("dev 7,1 ino 12 nlink 0"), "7:1");
    EXPECT_EQ(trace_device("dev 253:10 trans 0"), "253:10");
    EXPECT_EQ(trace_device("dev = (259,3), ino = 7"), "259:3");
    for (const auto* text :
         {"", "dev ", "dev 7", "dev 7,", "dev x,1", "bdi ", "order=0", "dev = (", "dev = (7"}) {
        EXPECT_EQ(trace_device(text), "") << text;
    }
}

TEST(TraceDevice, OfASuperblockThatAProbePrints) {
    EXPECT_EQ(trace_device("(prune_icache_sb+0x0/0x90) sb_dev=7340033"), "7:1");
    EXPECT_EQ(trace_device("(prune_icache_sb+0x0/0x90) sb_dev=45"), "0:45");
    EXPECT_EQ(trace_device("(prune_icache_sb+0x0/0x90) sb_dev=(fault)"), "");
    EXPECT_EQ(trace_device("prev_comm=(x) sb_dev=7340033"), "");
}

TEST(TracedShrinker, IsAFunctionAndAnAddress) {
    const auto plain = traced_shrinker("super_cache_scan+0x0/0x190 00000000aabbccdd: nid: 0 objects");
    EXPECT_EQ(plain.function, "super_cache_scan");
    EXPECT_EQ(plain.object, "00000000aabbccdd");
    const auto module = traced_shrinker("xfs_buftarg_shrink_scan+0x0/0x20 [xfs] 00000000aabbccdd: nid: 0");
    EXPECT_EQ(module.function, "xfs_buftarg_shrink_scan");
    EXPECT_EQ(module.object, "00000000aabbccdd");
    // Before the kernel can hash addresses, all of them look alike.
    EXPECT_EQ(traced_shrinker("super_cache_scan+0x0/0x190 (____ptrval____): nid: 0").object, "");
    EXPECT_EQ(traced_shrinker("").function, "");
}

TEST(TraceStack, HeadsAndFrames) {
    EXPECT_EQ(parse_stack_head("  refluxd-77      [001] d..3.    12.5: <stack trace>"), 77);
    EXPECT_FALSE(parse_stack_head("<stack trace>"));
    EXPECT_FALSE(parse_stack_head("  refluxd-77      [001] d..3.    12.5: x: y"));
    EXPECT_EQ(parse_stack_frame(" => folio_wait_writeback"), "folio_wait_writeback");
    EXPECT_EQ(parse_stack_frame(" => xfs_buf_lock+0x3c/0x90 [xfs]"), "xfs_buf_lock");
    EXPECT_FALSE(parse_stack_frame("folio_wait_writeback"));
}

TEST(TraceParser, RecordedWriterThatWaitsForItsOwnDevice) {
    auto parser = parser_for("7:0", "254:0", 2157.0);
    parser.feed(fixture("trace_6.18_memcg_v1_ext4.txt"));
    const auto summary = parser.summary();
    EXPECT_EQ(parser.garbage(), 0U);
    EXPECT_EQ(summary.reclaim_count, 9U);
    EXPECT_EQ(summary.slab_shrink_count, 49U);
    EXPECT_EQ(summary.upper_event_count, 3U);
    EXPECT_EQ(summary.lower_event_count, 0U);
    EXPECT_EQ(summary.throttle_count, 5U);
    EXPECT_EQ(summary.lost_events, 0U);
    // The first, the longest (which waited), and the other two that waited for the upper device.
    ASSERT_THAT(summary.reclaims, SizeIs(4));
    const auto& first = summary.reclaims.front();
    EXPECT_EQ(first.tid, 7690);
    EXPECT_NEAR(first.begin_s, 0.658373, 1e-6);
    EXPECT_EQ(first.reclaimed_pages, 256U);
    EXPECT_TRUE(first.gfp_flags.starts_with("GFP_NOFS|__GFP_HIGHMEM|__GFP_M")) << first.gfp_flags;
    const auto& waited = summary.reclaims.at(1);
    EXPECT_EQ(waited.kind, "memcg");
    EXPECT_EQ(waited.gfp_flags, "GFP_HIGHUSER_MOVABLE");
    ASSERT_TRUE(waited.end_s);
    EXPECT_NEAR(*waited.end_s - waited.begin_s, 0.019506, 1e-6);
    ASSERT_FALSE(waited.inside.empty());
    EXPECT_EQ(waited.inside.front().event, "folio_wait_writeback");
    EXPECT_EQ(waited.inside.front().device, "7:0");
    EXPECT_EQ(waited.inside.front().detail, "bdi 7:0: ino=12 index=18432");
    EXPECT_EQ(waited.inside_count, waited.inside.size());
    ASSERT_THAT(summary.last_events, SizeIs(4));  // bash, sync, dd, dd
    EXPECT_EQ(summary.last_events.back().event, "folio_wait_writeback");
}

// A guest of 6.1: five pauses of reclaim's own, then the folio of the upper device that nobody completes.
TEST(TraceParser, RecordedDeadlockWithItsSleepsAndTheirStacks) {
    auto parser = parser_for("7:1", "7:0");
    parser.feed(fixture("trace_6.1_memcg_v1_ext4_deadlock.txt"));
    EXPECT_EQ(parser.garbage(), 0U);
    EXPECT_EQ(parser.sleeps(), parser.stacks());
    const auto summary = parser.summary();
    ASSERT_THAT(summary.reclaims, SizeIs(1));
    const auto& reclaim = summary.reclaims[0];
    EXPECT_EQ(reclaim.thread, "refluxd-io");
    EXPECT_EQ(reclaim.order, 0);
    EXPECT_FALSE(reclaim.end_s);
    ASSERT_THAT(reclaim.waits, SizeIs(6));
    for (std::size_t i = 0; i < 5; ++i) {
        EXPECT_NEAR(*reclaim.waits[i].duration_s, 0.1, 0.01);
        EXPECT_FALSE(reclaim.waits[i].at_most);
        EXPECT_THAT(reclaim.waits[i].stack, testing::Contains("reclaim_throttle"));
        EXPECT_EQ(reclaim.waits[i].device, "");
    }
    EXPECT_NEAR(reclaim.waited_s, 0.512, 0.001);
    const auto& last = reclaim.waits[5];
    EXPECT_FALSE(last.duration_s);
    EXPECT_EQ(last.event, "folio_wait_writeback");
    EXPECT_EQ(last.device, "7:1");
    ASSERT_FALSE(last.stack.empty());
    EXPECT_EQ(last.stack.front(), "schedule");
    EXPECT_EQ(last.stack.back(), "entry_SYSCALL_64_after_hwframe");
    // Shrinkers were asked and none was called so far as to prune: whose they are is not known.
    EXPECT_THAT(reclaim.shrinkers, SizeIs(3));
    EXPECT_EQ(reclaim.shrinkers[0].calls, 5U);
    EXPECT_EQ(reclaim.shrinkers[0].side, "unknown");
    EXPECT_EQ(summary.last_events.back().event, "folio_wait_writeback");
}

// A guest of 7.2, cgroup v2: reclaims that end, other tasks' switches between their events, and fields behind
// those that are read.
TEST(TraceParser, RecordedReclaimsOf72) {
    auto parser = parser_for("7:1", "7:0");
    parser.feed(fixture("trace_7.2_memcg_v2_ext4.txt"));
    EXPECT_EQ(parser.garbage(), 0U);
    EXPECT_EQ(parser.sleeps(), 0U);
    const auto summary = parser.summary();
    ASSERT_THAT(summary.reclaims, SizeIs(2));
    EXPECT_EQ(summary.reclaims[0].order, 0);
    EXPECT_EQ(summary.reclaims[0].gfp_flags, "GFP_HIGHUSER_MOVABLE");
    EXPECT_EQ(summary.reclaims[0].reclaimed_pages, 366U);
    EXPECT_EQ(summary.reclaims[1].reclaimed_pages, 110U);
    EXPECT_EQ(summary.reclaims[0].wait_count, 0U) << "it was preempted and did not sleep";
    ASSERT_THAT(summary.reclaims[0].shrinkers, SizeIs(3));
    EXPECT_EQ(summary.reclaims[0].shrinkers[0].calls, 4U);
    EXPECT_EQ(summary.shrinkers[0].calls, 7U);
    EXPECT_EQ(summary.throttle_count, 3U);
    EXPECT_THAT(summary.last_events, SizeIs(1)) << "a switch is no event of the task that goes";
}

// The same guest, told to drop its caches: the numbers are those that its mountinfo had for tracefs, proc,
// sysfs and the overlay on /.
TEST(TraceParser, RecordedProbesOf72NameTheSuperblock) {
    std::set<std::string> devices;
    const auto text = fixture("trace_7.2_prune.txt");
    for (const auto& line : lines_of(text)) {
        const auto parsed = parse_trace_line(line);
        ASSERT_TRUE(parsed) << line;
        devices.insert(trace_device(parsed->fields));
    }
    EXPECT_THAT(devices, testing::ElementsAre("0:14", "0:23", "0:24", "0:25", "0:27"));
}

TEST(TraceParser, RecordedEvictionKeepsFirstAndLastEvents) {
    auto parser = parser_for("7:0", "254:0");
    parser.feed(fixture("trace_6.18_memcg_v1_ext4_evict.txt"));
    const auto summary = parser.summary();
    EXPECT_EQ(summary.upper_event_count, 40U);
    ASSERT_THAT(summary.reclaims, SizeIs(1));
    const auto& reclaim = summary.reclaims.front();
    EXPECT_EQ(reclaim.inside_count, 116U);
    ASSERT_THAT(reclaim.inside, SizeIs(32));
    EXPECT_TRUE(std::is_sorted(reclaim.inside.begin(), reclaim.inside.end(),
                               [](const auto& a, const auto& b) { return a.at_s < b.at_s; }));
    EXPECT_LE(reclaim.inside.back().at_s, *reclaim.end_s);
}

TEST(TraceParser, FormsOfOtherKernels) {
    auto parser = parser_for("253:0", "8:16", 100.0);
    parser.feed(fixture("trace_other_kernels.txt"));
    const auto summary = parser.summary();
    EXPECT_EQ(parser.garbage(), 0U);
    EXPECT_EQ(summary.reclaim_count, 3U);
    std::uint64_t masked = 0;
    for (const auto& mask : summary.counts) {
        masked += mask.count;
    }
    EXPECT_EQ(masked, 3U);
    EXPECT_EQ(summary.upper_event_count,
              4U);  // xfs_trans_alloc, f2fs_evict_inode, btrfs-2, jbd2_handle_start
    EXPECT_EQ(summary.lower_event_count, 1U);
    EXPECT_EQ(summary.throttle_count, 1U);
    ASSERT_THAT(summary.throttles, SizeIs(1));
    EXPECT_EQ(summary.throttles[0].device, "253:0");
    ASSERT_THAT(summary.reclaims, SizeIs(3));
    EXPECT_EQ(summary.reclaims[0].gfp_flags, "GFP_HIGHUSER_MOVABLE|__GFP_WRITE");
    EXPECT_EQ(summary.reclaims[1].kind, "direct");
    EXPECT_EQ(summary.reclaims[1].tid, 902);
    EXPECT_EQ(summary.reclaims[1].gfp_flags, "GFP_NOIO|__GFP_HIGHMEM|__GFP_MOVABLE");
    EXPECT_EQ(summary.reclaims[1].inside.back().device, "253:0");  // the alias, by its number
    EXPECT_FALSE(summary.reclaims[2].end_s);
    EXPECT_EQ(summary.reclaims[2].gfp_flags, "GFP_KERNEL");
}

TEST(TraceParser, TakesTextInAnyPieces) {
    const auto text = fixture("trace_6.18_memcg_v1_ext4.txt");
    auto whole = parser_for("7:0", "");
    whole.feed(text);
    for (const std::size_t size : {1U, 7U, 100U, 5000U}) {
        auto pieces = parser_for("7:0", "");
        for (std::size_t at = 0; at < text.size(); at += size) {
            pieces.feed(std::string_view(text).substr(at, size));
        }
        EXPECT_EQ(pieces.summary().reclaim_count, whole.summary().reclaim_count);
        EXPECT_EQ(pieces.summary().upper_event_count, whole.summary().upper_event_count);
        EXPECT_EQ(pieces.garbage(), 0U);
    }
}

TEST(TraceParser, AReclaimThatHasNotEnded) {
    auto parser = parser_for("7:1", "7:0");
    parser.feed(line(5, 1.0, begin_memcg) + line(5, 1.1, "folio_wait_writeback: bdi 7:1: ino=14 index=8"));
    const auto summary = parser.summary();
    ASSERT_THAT(summary.reclaims, SizeIs(1));
    EXPECT_FALSE(summary.reclaims[0].end_s);
    EXPECT_EQ(summary.reclaims[0].inside[0].device, "7:1");
    parser.feed(line(5, 9.0, end_memcg));
    ASSERT_TRUE(parser.summary().reclaims.at(0).end_s);
    EXPECT_EQ(parser.summary().reclaims.at(0).reclaimed_pages, 32U);
}

TEST(TraceParser, ALostEndIsNoHang) {
    auto parser = parser_for("7:1", "7:0");
    parser.feed(line(5, 1.0, begin_memcg) + line(5, 1.25, "mm_shrink_slab_start: x 0: nid: 0") +
                "CPU:1 [LOST 12 EVENTS]\n" + line(5, 2.0, begin_memcg) + line(5, 2.5, end_memcg));
    const auto summary = parser.summary();
    EXPECT_THAT(summary.kinds, testing::ElementsAre("memcg"));
    ASSERT_EQ(summary.reclaims.size(), 1U) << "what was inside the first cannot be told";
    EXPECT_EQ(summary.reclaims.at(0).begin_s, 2.0);
    EXPECT_EQ(summary.lost_events, 12U);
    EXPECT_EQ(summary.reclaim_count, 2U);
    for (const auto& reclaim : summary.reclaims) {
        EXPECT_TRUE(reclaim.end_s);
    }
}

TEST(TraceParser, AnEndWithoutItsBeginAndOtherThreadsAreApart) {
    auto parser = parser_for("7:1", "7:0");
    parser.feed(line(5, 1.0, end_memcg) + line(5, 2.0, begin_memcg) +
                line(6, 2.1, "ext4_evict_inode: dev 7,1 ino 12 nlink 0") +
                line(6, 2.2, "mm_shrink_slab_start: x 0: nid: 0"));
    const auto summary = parser.summary();
    EXPECT_EQ(summary.reclaim_count, 1U);
    EXPECT_EQ(summary.upper_event_count, 0U);  // thread 6 is in no reclaim
    EXPECT_EQ(summary.slab_shrink_count, 0U);
    EXPECT_EQ(summary.reclaims.at(0).inside_count, 0U);
    EXPECT_THAT(summary.last_events, SizeIs(2));
}

TEST(TraceParser, KeepsOnlyAFewReclaims) {
    auto parser = parser_for("7:1", "7:0");
    for (int i = 0; i < 2000; ++i) {
        const double at = 10.0 * i;
        const double length = i == 1234 ? 5.0 : 0.001;
        parser.feed(line(5, at, begin_memcg));
        if (i % 10 == 3) {
            parser.feed(line(5, at, "folio_wait_writeback: bdi 7:1: ino=14 index=8"));
        }
        parser.feed(line(5, at + length, end_memcg) +
                    line(5, at + 6, "mm_vmscan_throttled: nid=0 usec_timeout=1 usect_delayed=1 reason=X"));
    }
    const auto summary = parser.summary();
    EXPECT_EQ(summary.reclaim_count, 2000U);
    EXPECT_EQ(summary.upper_event_count, 200U);
    EXPECT_EQ(summary.throttle_count, 2000U);
    EXPECT_THAT(summary.throttles, SizeIs(16));
    EXPECT_THAT(summary.reclaims, SizeIs(10));  // the first, the longest, eight with upper events
    EXPECT_DOUBLE_EQ(summary.reclaims.front().begin_s, 0.0);
    EXPECT_TRUE(std::any_of(summary.reclaims.begin(), summary.reclaims.end(),
                            [](const auto& reclaim) { return reclaim.begin_s == 12340.0; }));
}

TEST(TraceParser, HostileTextCostsNeitherMemoryNorSense) {
    auto parser = parser_for("7:1", "7:0");
    const std::string noise(100'000, '[');
    for (int i = 0; i < 20; ++i) {
        parser.feed(noise);  // one line without an end
    }
    parser.feed("\n");
    EXPECT_EQ(parser.garbage(), 1U);
    parser.feed(std::string("\0\xff\n\r\n-[1] . 1.0: :\n", 19));
    for (int tid = 0; tid < 5000; ++tid) {
        parser.feed(line(tid, 1.0, begin_memcg));
    }
    const auto summary = parser.summary();
    EXPECT_EQ(summary.reclaim_count, 5000U);
    EXPECT_LE(summary.reclaims.size(), 512U);
    EXPECT_LE(summary.last_events.size(), 512U);
    parser.feed(line(1, 3.0, "mm_vmscan_memcg_reclaim_end: nr_reclaimed=many") +
                line(2, 3.0, "mm_vmscan_memcg_reclaim_end:"));
    EXPECT_GE(parser.garbage(), 2U);
}

}  // namespace
}  // namespace reflux::observe
