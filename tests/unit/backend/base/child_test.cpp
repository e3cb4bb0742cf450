#include "backend/base/child.h"

#include "backend/base/kernel_file.h"

#include <array>
#include <csignal>

#include <fcntl.h>
#include <unistd.h>

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

// Given up before the program was there is as good as later: neither it nor what it has started goes on.
TEST(RunCommand, EndsWithAllItHasStartedWhenItIsGivenUp) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), 0), 0);
    UniqueFd alive(ends[0]);  // at its end when nobody has the other one open any more
    UniqueFd held(ends[1]);
    int asked = 0;
    const auto given_up = run_command_unless({"sh", "-c", "sleep 60 & sleep 60"}, Seconds(30),
                                             [&] { return ++asked > 3; }, {.inherit = {held.get()}});
    held.reset();
    ASSERT_FALSE(given_up);
    EXPECT_EQ(given_up.error().errnum, EINTR);
    const auto gone = wait_readable(alive.get(), Seconds(10));
    ASSERT_TRUE(gone && *gone) << "a process that it has started goes on";
    char byte = 0;
    EXPECT_EQ(::read(alive.get(), &byte, 1), 0);
}

TEST(RunCommand, IsNotGivenUpWhileItMayGoOn) {
    const auto result =
        run_command_unless({"sh", "-c", "sleep 0.3; echo out; exit 3"}, Seconds(10), [] { return false; });
    ASSERT_TRUE(result && result->exit);
    EXPECT_EQ(result->exit->code, 3);
    EXPECT_EQ(result->output, "out\n");
    const auto late = run_command_unless({"sleep", "60"}, Seconds(0.3), [] { return false; });
    ASSERT_TRUE(late);
    EXPECT_FALSE(late->exit) << "killed at the deadline";
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
