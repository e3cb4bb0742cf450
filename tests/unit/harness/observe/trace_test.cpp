#include "harness/observe/trace.h"

#include "backend/base/kernel_file.h"
#include "temporary_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::observe {
namespace {

using testing::HasSubstr;

TEST(MountedTracefs, IsFoundByItsType) {
    EXPECT_EQ(mounted_tracefs("proc /proc proc rw 0 0\nnodev /run/my\\040trace tracefs rw,relatime 0 0\n"),
              "/run/my trace");
    EXPECT_EQ(mounted_tracefs("x /a\\134b tracefs rw 0 0\n"), "/a\\b");
    EXPECT_EQ(mounted_tracefs("tracefs /mnt ext4 rw 0 0\n"), std::nullopt);
    EXPECT_EQ(mounted_tracefs("\n tracefs\n\\0"), std::nullopt);
}

TEST(TraceInstance, AFailedSetUpNamesWhatFailed) {
    TemporaryTree tree;
    std::filesystem::create_directories(tree.path("instances"));
    const auto made = TraceInstance::create(tree.path(), "run-1", 1024);  // no tracefs: no files appear in it
    ASSERT_FALSE(made);
    EXPECT_THAT(made.error().message, HasSubstr("buffer_size_kb"));
}

TEST(TraceInstance, ANameInUseIsRefused) {
    TemporaryTree tree;
    std::filesystem::create_directories(tree.path("instances/run-1"));
    const auto made = TraceInstance::create(tree.path(), "run-1", 1024);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().errnum, EEXIST);
    EXPECT_TRUE(std::filesystem::exists(tree.path("instances/run-1")));
}

TEST(TraceProbes, StandInAGroupNamedAfterTheRun) {
    EXPECT_EQ(probe_group("reflux-20261121T155146-26668-2"), "reflux_20261121T155146_26668_2");
}

TEST(TraceProbes, AKernelWithoutThemIsAProblemAndNoError) {
    TemporaryTree tree;
    const auto none = define_probes(tree.path(), "reflux_1");
    EXPECT_THAT(none.events, testing::IsEmpty());
    EXPECT_THAT(none.problem, HasSubstr("no kprobe events"));
}

TEST(TraceScan, IsNoughtOnlyWhereItWouldHaveBeenSeen) {
    evidence::TraceSummary summary;
    settle_scan(summary);
    EXPECT_FALSE(summary.scan) << "this kernel has no such event";
    summary.events = {"vmscan/mm_vmscan_lru_shrink_inactive"};
    summary.reclaim_count = 1;
    settle_scan(summary);
    EXPECT_FALSE(summary.scan) << "one that hangs in its first batch has told nothing yet";
    EXPECT_THAT(summary.weaker, testing::ElementsAre(HasSubstr("MGLRU")));
    summary.reclaim_count = 0;
    settle_scan(summary);
    ASSERT_TRUE(summary.scan);
    EXPECT_EQ(summary.scan->scanned_pages, 0U);
    summary.scan->scanned_pages = 7;
    settle_scan(summary);
    EXPECT_EQ(summary.scan->scanned_pages, 7U);
}

std::string bounded(const TemporaryTree& tree, const std::vector<std::string>& pieces, std::size_t half) {
    auto text = BoundedText::create(tree.path("trace.txt"), half);
    EXPECT_TRUE(text);
    for (const auto& piece : pieces) {
        EXPECT_TRUE(text->append(piece));
    }
    EXPECT_TRUE(text->finish());
    return *read_file(tree.path("trace.txt"));
}

TEST(BoundedText, ShortTextIsWhole) {
    TemporaryTree tree;
    EXPECT_EQ(bounded(tree, {}, 16), "");
    EXPECT_EQ(bounded(tree, {"one\ntwo\n", "three\n"}, 16), "one\ntwo\nthree\n");
    EXPECT_EQ(bounded(tree, {"one\ntwo\n", "three\nfour\nfive\n"}, 16), "one\ntwo\nthree\nfour\nfive\n");
}

TEST(BoundedText, LongTextLosesItsMiddleAndSaysSo) {
    TemporaryTree tree;
    std::vector<std::string> pieces;
    std::size_t all = 0;
    for (int i = 0; i < 1000; ++i) {
        pieces.push_back(fmt::format("line {}\n", i));
        all += pieces.back().size();
    }
    const auto text = bounded(tree, pieces, 32);
    EXPECT_TRUE(text.starts_with("line 0\nline 1\n")) << text;
    EXPECT_TRUE(text.ends_with("\nline 998\nline 999\n")) << text;
    EXPECT_LT(text.size(), 120U);
    // The line between says exactly what is not there.
    const auto at = text.find("\n# ");
    ASSERT_NE(at, std::string::npos);
    const auto note_end = text.find('\n', at + 1);
    EXPECT_EQ(std::stoull(text.substr(at + 3)) + at + (text.size() - note_end - 1), all);
}

}  // namespace
}  // namespace reflux::observe
