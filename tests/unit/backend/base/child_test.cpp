#include "backend/base/child.h"

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
