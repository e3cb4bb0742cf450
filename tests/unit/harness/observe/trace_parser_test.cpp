#include "harness/observe/trace_parser.h"

#include "temporary_tree.h"

#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::observe {
namespace {

using testing::SizeIs;

std::string line(int tid, double time, const std::string& event) {
    return fmt::format("              dd-{:<7} [001] ..... {:12.6f}: {}\n", tid, time, event);
}
const std::string begin_memcg = "mm_vmscan_memcg_reclaim_begin: order=0 gfp_flags=GFP_HIGHUSER_MOVABLE";
const std::string end_memcg = "mm_vmscan_memcg_reclaim_end: nr_reclaimed=32";

TraceParser parser_for(const std::string& upper, const std::string& lower, double start = 0) {
    TraceParser parser(start);
    parser.set_devices({.upper = upper, .lower = lower, .upper_alias = "btrfs-2", .lower_alias = {}});
    return parser;
}

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
    parser.feed(line(5, 1.0, begin_memcg) + "CPU:1 [LOST 12 EVENTS]\n" + line(5, 2.0, begin_memcg) +
                line(5, 2.5, end_memcg));
    const auto summary = parser.summary();
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
