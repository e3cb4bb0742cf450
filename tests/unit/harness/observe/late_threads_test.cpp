#include "harness/observe/late_threads.h"

#include "tests/unit/harness/observe/trace_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::observe {
namespace {

using testing::HasSubstr;

// As 6.18 printed them: of pthread_create(), of create_io_thread(), of vfork() and of a kernel thread.
constexpr const char* of_pthread = "task_newtask: pid=1206 comm=refluxd clone_flags=3d0f00 oom_score_adj=0";
constexpr const char* of_io_uring =
    "task_newtask: pid=1207 comm=refluxd-io clone_flags=80819f00 oom_score_adj=0";
constexpr const char* of_fork = "task_newtask: pid=1208 comm=a pid=9 clone_flags=1200011 oom_score_adj=0";
constexpr const char* of_kernel = "task_newtask: pid=1209 comm=kthreadd clone_flags=800711 oom_score_adj=0";

TEST(Births, OnlyWhatPassedForkIsFollowedAlready) {
    TraceParser parser(10);
    for (const char* const event : {of_pthread, of_io_uring, of_fork, of_kernel}) {
        parser.feed(line(1200, 12.5, event));
    }
    const auto births = parser.take_births();
    ASSERT_EQ(births.size(), 4U);
    EXPECT_EQ(births[0].tid, 1206);
    EXPECT_TRUE(births[0].forked);
    EXPECT_EQ(births[1].tid, 1207);
    EXPECT_FALSE(births[1].forked);
    EXPECT_DOUBLE_EQ(births[1].at_s, 2.5);
    EXPECT_EQ(births[2].tid, 1208) << "a name may look like a field";
    EXPECT_TRUE(births[2].forked);
    EXPECT_TRUE(births[3].forked);
    EXPECT_TRUE(parser.take_births().empty());
    EXPECT_EQ(parser.garbage(), 0U);
    EXPECT_TRUE(parser.summary().last_events.empty()) << "it is no event that explains a wait";
}

TEST(Births, GarbageIsNone) {
    TraceParser parser(0);
    for (const char* const event :
         {"task_newtask: pid=0 clone_flags=80819f00", "task_newtask: pid=7",
          "task_newtask: pid=x clone_flags=1", "task_newtask: pid=7 clone_flags=x"}) {
        parser.feed(line(1, 1, event));
    }
    EXPECT_TRUE(parser.take_births().empty());
    EXPECT_EQ(parser.garbage(), 4U);
}

TEST(LateThreads, AreToldWithTheTimeThatIsNotSeen) {
    LateThreads late;
    late.know(1);
    EXPECT_TRUE(late.knows(1));
    EXPECT_FALSE(late.any());
    late.add({.tid = 2, .name = "iou-wrk-1", .born_s = 3.5, .followed_s = 3.625});
    EXPECT_TRUE(late.knows(2));
    EXPECT_THAT(late.told(std::nullopt), HasSubstr("1 thread of the daemon"));
    EXPECT_THAT(late.told(std::nullopt), HasSubstr("iou-wrk-1[2] 125 ms after its birth;"));
    late.add({.tid = 3, .name = "iou-wrk-1", .born_s = {}, .followed_s = 8.04});
    late.add({.tid = 4, .name = "", .born_s = 9.0, .followed_s = {}});
    const auto told = late.told(true);
    EXPECT_THAT(told, HasSubstr("3 threads"));
    EXPECT_THAT(told, HasSubstr("iou-wrk-1[3] at 8.0 s, a thread that was gone[4] not at all;"));
    EXPECT_THAT(told, testing::Not(HasSubstr("nobody")));
    EXPECT_THAT(late.told(false), HasSubstr("nobody on the machine entered a reclaim"));
    for (int tid = 5; tid < 100; ++tid) {
        late.add({.tid = tid, .name = "iou-wrk-1", .born_s = 9.0, .followed_s = 9.0});
    }
    EXPECT_LT(late.told(true).size(), 1000U);
}

TEST(LateThreads, AnEventThatWaitsForAReclaimTellsWhetherOneCame) {
    EXPECT_EQ(was_turned_on("0*\n"), false);
    EXPECT_EQ(was_turned_on("1*\n"), true);
    EXPECT_EQ(was_turned_on("1\n"), std::nullopt) << "on from the start";
    EXPECT_EQ(was_turned_on("0\n"), std::nullopt);
    EXPECT_EQ(was_turned_on(""), std::nullopt);
}

}  // namespace
}  // namespace reflux::observe
