// The second axis of judge(): how far reclaim went, its proof, and what the trace cannot show.
#include "harness/verdict/verdict.h"
#include "harness/verdict/words.h"
#include "tests/unit/harness/verdict/fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using evidence::Evidence;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using verdict::judge;
using verdict::Recursion;

TEST(Recursion, CountsAloneShowUpper) {
    Evidence evidence = testing::fixture("completes-evicting-upper-inodes");
    evidence.trace.reclaims.clear();
    EXPECT_EQ(judge(evidence).recursion, Recursion::upper);
}

TEST(Recursion, SlabShrinkersAloneAreOnlyReclaim) {
    Evidence evidence = testing::fixture("completes-evicting-upper-inodes");
    evidence.trace.upper_event_count = 0;
    for (auto& reclaim : evidence.trace.reclaims) {
        reclaim.inside.clear();
    }
    const verdict::Verdict verdict = judge(evidence);
    EXPECT_EQ(verdict.recursion, Recursion::reclaim);
    EXPECT_THAT(verdict.reasons, Contains(HasSubstr("by itself proves no harm")));
}

TEST(Recursion, PruningTheUpperSuperblockIsUpperAndItsShrinkerAloneIsNot) {
    Evidence evidence = testing::fixture("completes-evicting-upper-inodes");
    evidence.trace.upper_event_count = 0;
    auto& reclaim = evidence.trace.reclaims.at(0);
    reclaim.inside.clear();
    reclaim.shrinkers = {{.function = "super_cache_scan",
                          .superblock = evidence.devices.upper_device,
                          .side = "upper",
                          .calls = 3}};
    EXPECT_EQ(judge(evidence).recursion, Recursion::reclaim) << "it returned before it pruned";
    ASSERT_TRUE(judge(evidence).recursion_proof);
    EXPECT_FALSE(judge(evidence).recursion_proof->upper);
    reclaim.inside = {{.at_s = reclaim.begin_s,
                       .tid = reclaim.tid,
                       .event = "prune_icache_sb",
                       .device = evidence.devices.upper_device,
                       .detail = ""}};
    const verdict::Verdict verdict = judge(evidence);
    EXPECT_EQ(verdict.recursion, Recursion::upper);
    EXPECT_THAT(verdict.reasons, Contains(HasSubstr("prune_icache_sb of thread")));
    EXPECT_TRUE(verdict.recursion_proof->upper);
}

evidence::Reclaim reclaim_of(int tid, double begin_s, std::optional<double> end_s) {
    evidence::Reclaim reclaim;
    reclaim.tid = tid;
    reclaim.kind = "memcg";
    reclaim.begin_s = begin_s;
    reclaim.end_s = end_s;
    return reclaim;
}

TEST(RecursionProof, IsTheStrongestReclaim) {
    Evidence evidence = testing::fixture("completes-evicting-upper-inodes");
    evidence.trace.reclaims = {reclaim_of(1, 1, 9), reclaim_of(2, 2, 3), reclaim_of(3, 4, std::nullopt),
                               reclaim_of(4, 5, 6), reclaim_of(5, 5, 7)};
    EXPECT_EQ(judge(evidence).recursion_proof->tid, 3) << "not ended, before the longest";
    EXPECT_FALSE(judge(evidence).recursion_proof->duration_s) << "there was no stall: until when?";
    evidence.trace.reclaims[3].upper_events = 1;
    evidence.trace.reclaims[4].upper_events = 1;
    EXPECT_EQ(judge(evidence).recursion_proof->tid, 5) << "upper, before one that has not ended";
    EXPECT_EQ(judge(evidence).recursion_proof->duration_s, 2);
    evidence.trace.reclaims.clear();
    EXPECT_FALSE(judge(evidence).recursion_proof);
}

TEST(RecursionProof, TellsMaskShrinkersAndWaits) {
    Evidence evidence = testing::fixture("completes-evicting-upper-inodes");
    auto reclaim = reclaim_of(7, 1, 3);
    reclaim.gfp_flags = "GFP_KERNEL";
    reclaim.gfp_bits = 0xcc0;
    reclaim.gfp_fs = true;
    reclaim.gfp_io = true;
    reclaim.order = 2;
    reclaim.shrinkers = {
        {.function = "super_cache_scan", .superblock = "", .side = "unknown", .calls = 4, .total_s = 2e-5},
        {.function = "super_cache_scan",
         .superblock = "7:1",
         .side = "upper",
         .calls = 1,
         .pruned = 1,
         .total_s = 0.25,
         .ended = false}};
    reclaim.waits = {{.begin_s = 1.1,
                      .duration_s = 0.5,
                      .at_most = true,
                      .stack = {"schedule", "xlog_wait_on_iclog"},
                      .event = "prune_icache_sb",
                      .device = "7:1",
                      .superblock = "7:1"},
                     {.begin_s = 2,
                      .stack = {"io_schedule", "folio_wait_bit_common", "folio_wait_writeback"},
                      .event = "folio_wait_writeback",
                      .device = "7:1"},
                     {.begin_s = 2.2, .duration_s = 0.001, .event = "folio_wait_writeback", .device = "7:0"},
                     {.begin_s = 2.5, .duration_s = 0.002, .stack = {"function_of_tomorrow"}, .event = "x"},
                     {.begin_s = 2.6, .duration_s = 0.0001, .event = "mm_shrink_slab_end"}};
    evidence.trace.reclaims = {reclaim};
    const auto proof = judge(evidence).recursion_proof;
    ASSERT_TRUE(proof);
    EXPECT_EQ(proof->mask, "GFP_KERNEL (0xcc0), which may call into filesystems");
    EXPECT_EQ(proof->order, 2);
    EXPECT_THAT(
        proof->shrinkers,
        ::testing::ElementsAre("super_cache_scan of 7:1 (upper): 1 call, 1 pruned, 250.0 ms, not ended",
                               "super_cache_scan: 4 calls, 20 us"));
    EXPECT_THAT(proof->waits,
                ::testing::ElementsAre("folio writeback of 7:1, not ended",
                                       "a journal or log commit in the shrinker of 7:1, at most 500.0 ms",
                                       "an unknown wait at function_of_tomorrow, 2.0 ms",
                                       "folio writeback (by the event in front of it) of 7:0, 1.0 ms",
                                       "an unknown wait, 100 us"));
    EXPECT_THAT(proof->stack, Contains("folio_wait_writeback"));
}

TEST(RecursionProof, BitsSayWhatTheMaskAllows) {
    Evidence evidence = testing::fixture("completes-evicting-upper-inodes");
    auto& reclaim = evidence.trace.reclaims.at(0);
    evidence.trace.reclaims = {reclaim};
    evidence.trace.reclaims[0].gfp_flags = "SOME_NEW_NAME";
    EXPECT_THAT(judge(evidence).recursion_proof->mask, Not(HasSubstr("which")));
    evidence.trace.reclaims[0].gfp_bits = 0x40;
    evidence.trace.reclaims[0].gfp_fs = false;
    evidence.trace.reclaims[0].gfp_io = true;
    EXPECT_THAT(judge(evidence).recursion_proof->mask,
                HasSubstr("(0x40), which may not call into filesystems"));
}

TEST(TraceNotes, SayWhatIsWeakerAndWhatTracingCost) {
    Evidence evidence = testing::fixture("completes");
    evidence.trace.weaker = {"no probe of prune_*_sb: x"};
    evidence.trace.overhead = evidence::TraceOverhead{.window_s = 0.5,
                                                      .blocks = 6,
                                                      .with_bytes_s = 104857600,
                                                      .without_bytes_s = 209715200,
                                                      .ratio = 0.5,
                                                      .ratio_low = 0.25,
                                                      .ratio_high = 0.75};
    const verdict::Verdict verdict = judge(evidence);
    EXPECT_THAT(verdict.reasons, Contains("weaker here: no probe of prune_*_sb: x"));
    EXPECT_THAT(verdict.reasons,
                Contains(::testing::AllOf(HasSubstr("0.500 of what it did without it"), HasSubstr("6 blocks"),
                                          HasSubstr("0.250 to 0.750"), HasSubstr("100 and 200 MiB/s"))));
}

TEST(Recursion, EventsOfTheLowerDeviceAreNotUpper) {
    Evidence evidence = testing::fixture("completes-evicting-upper-inodes");
    evidence.trace.upper_event_count = 0;
    evidence.trace.reclaims.at(0).inside.at(0).device = evidence.devices.lower_device;
    EXPECT_EQ(judge(evidence).recursion, Recursion::reclaim);
}

TEST(Recursion, AnUnknownUpperDeviceMatchesNoEvent) {
    Evidence evidence = testing::fixture("completes-evicting-upper-inodes");
    evidence.trace.upper_event_count = 0;
    evidence.devices.upper_device.clear();
    evidence.trace.reclaims.at(0).inside.at(0).device.clear();
    EXPECT_EQ(judge(evidence).recursion, Recursion::reclaim);
}

TEST(Recursion, AStackInReclaimBeatsASilentTrace) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    evidence.trace.reclaims.clear();
    evidence.trace.reclaim_count = 0;
    evidence.trace.upper_event_count = 0;
    EXPECT_EQ(judge(evidence).recursion, Recursion::reclaim);
}

}  // namespace
}  // namespace reflux
