#include "backend/base/child.h"

#include "backend/base/kernel_file.h"

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using testing::HasSubstr;

TEST(Spawn, SaysWhyAProgramDidNotStart) {
    const auto child = spawn({"no-such-program-here"});
    ASSERT_FALSE(child);
    EXPECT_THAT(child.error().message, HasSubstr("no-such-program-here"));
}

TEST(Spawn, AFailureToEnterTheCgroupIsTheParentsError) {
    const auto child = spawn({"true"}, {.cgroup_procs = {"/nonexistent/cgroup.procs"}});
    ASSERT_FALSE(child);
    EXPECT_THAT(child.error().message, HasSubstr("/nonexistent/cgroup.procs"));
}

TEST(RunCommand, GivesOutputAndExitStatus) {
    const auto result = run_command({"sh", "-c", "echo out; echo err >&2; exit 3"}, Seconds(10));
    ASSERT_TRUE(result) << result.error().message;
    ASSERT_TRUE(result->exit);
    EXPECT_EQ(result->exit->code, 3);
    EXPECT_EQ(result->output, "out\nerr\n");
}

TEST(RunCommand, EndsAtItsDeadline) {
    const auto result = run_command({"sleep", "60"}, Seconds(0.1));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_FALSE(result->exit) << "killed at the deadline";
}

// In a child, for the score of the tests' own process is nobody's to change. Where it may not be lowered,
// nothing changes.
TEST(ProtectFromOom, ChildrenStartAsBefore) {
    constexpr const char* file = "/proc/self/oom_score_adj";
    const auto before = trimmed(read_file(file).value());
    auto child = fork_call([&]() -> Status {
        const auto done = protect_from_oom();
        const auto own = trimmed(read_file(file).value_or(""));
        REFLUX_TRY(const auto shown, run_command({"cat", file}, Seconds(10)));
        const bool right = own == (done ? "-1000" : before) && trimmed(shown.output) == before;
        return right ? Status{} : Status(fail(ErrorKind::system, own + ", child " + trimmed(shown.output)));
    });
    ASSERT_TRUE(child) << child.error().message;
    const auto exit = wait_for(*child, Seconds(30));
    ASSERT_TRUE(exit && *exit);
    EXPECT_TRUE((*exit)->ok()) << to_string(**exit);
}

TEST(WaitFor, TellsASignalFromAnExit) {
    auto child = spawn({"sleep", "60"});
    ASSERT_TRUE(child) << child.error().message;
    EXPECT_FALSE(*wait_for(*child, Seconds(0))) << "it still runs";
    ASSERT_TRUE(send_signal(*child, SIGTERM));
    const auto exit = wait_for(*child, Seconds(10));
    ASSERT_TRUE(exit && *exit);
    EXPECT_EQ((*exit)->signal, SIGTERM);
    EXPECT_THAT(to_string(**exit), HasSubstr("signal 15"));
}

TEST(CallBounded, GivesTheErrorOfTheCall) {
    const auto done =
        call_bounded("try it", Seconds(10), [] { return Status(fail_errno("umount /there", EBUSY)); });
    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().message, HasSubstr("umount /there"));
    EXPECT_TRUE(call_bounded("try it", Seconds(10), [] { return Status(); }));
}

TEST(CallBounded, GivesUpAtItsDeadline) {
    const auto done = call_bounded("wait for ever", Seconds(0.1), []() -> Status {
        for (;;) {
            ::pause();
        }
    });
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::timed_out);
    EXPECT_THAT(done.error().message, HasSubstr("wait for ever"));
}

}  // namespace
}  // namespace reflux
