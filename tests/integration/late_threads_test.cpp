// What io_uring makes for a traced process, on the real kernel: copy_process() tells of it, and nothing else.
// Needs root, tracefs and io_uring. The trace is in a mount namespace of the test's own.
#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "backend/base/scope_exit.h"
#include "backend/base/task_stat.h"
#include "harness/observe/trace.h"
#include "tests/integration/support/subject.h"
#include "tests/integration/support/tools.h"
#include "tests/support/temporary_folder.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <sys/mount.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::observe {
namespace {

namespace files = std::filesystem;
using testing::HasSubstr;

// A child that makes a worker when `go` is closed, and sleeps until it is killed.
Result<Child> start_subject(int told) {
    return fork_call(
        [told]() -> Status {
            char byte = 0;
            static_cast<void>(::read(told, &byte, 1));
            REFLUX_CHECK(test::start_io_wq_worker());
            for (;;) {
                ::pause();
            }
        },
        {.inherit = {told}});
}

std::string late_worker(const TraceInstance& trace) {
    for (const auto& sentence : trace.summary().weaker) {
        if (sentence.find("iou-wrk-") != std::string::npos) {
            return sentence;
        }
    }
    return "";
}

TEST(LateThreadsOfTheKernel, AWorkerOfIoUringIsFollowedAndTold) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root";
    }
    ASSERT_TRUE(test::own_mount_namespace());
    const test::TemporaryFolder folder;
    const auto tracefs = folder / "tracing";
    files::create_directory(tracefs);
    if (::mount("reflux", tracefs.c_str(), "tracefs", 0, nullptr) != 0) {
        GTEST_SKIP() << "no tracefs";
    }
    const ScopeExit unmounted([&] { EXPECT_EQ(::umount2(tracefs.c_str(), 0), 0) << errno; });
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const UniqueFd told(ends[0]);
    UniqueFd go(ends[1]);
    auto subject = start_subject(told.get());
    ASSERT_TRUE(subject) << subject.error().message;
    const std::string name = files::path(folder.path()).filename();
    auto trace = TraceInstance::create(tracefs, name, 1024);
    ASSERT_TRUE(trace) << trace.error().message;
    ASSERT_TRUE(trace->start({subject->pid}, false));
    EXPECT_EQ(late_worker(*trace), "");

    go.reset();
    bool ended = false;
    const bool seen = test::comes_true([&] {
        EXPECT_TRUE(trace->drain());
        ended = wait_readable(subject->pidfd.get(), Seconds(0)).value_or(true);
        return ended || !late_worker(*trace).empty();
    });
    const auto threads = read_threads(fmt::format("/proc/{}", subject->pid));
    const auto followed = "\n" + read_file(trace->directory() + "/set_event_pid").value_or("");
    std::vector<int> tids;
    for (const auto& thread : threads ? *threads : std::vector<ThreadStat>{}) {
        tids.push_back(thread.tid);
        EXPECT_THAT(followed, HasSubstr(fmt::format("\n{}\n", thread.tid))) << thread.stat.name;
    }
    const auto before = late_worker(*trace);
    trace->follow_found(tids);
    EXPECT_EQ(late_worker(*trace), before) << "what is followed is not late once more";
    static_cast<void>(send_signal(*subject, SIGKILL));
    static_cast<void>(wait_for(*subject, Seconds(10)));
    EXPECT_TRUE(trace->stop(Seconds(20)));
    EXPECT_TRUE(trace->close());
    EXPECT_EQ(::rmdir(trace->directory().c_str()), 0) << errno;
    if (ended) {
        GTEST_SKIP() << "no io_uring on this machine";
    }
    EXPECT_TRUE(seen);
    EXPECT_GE(tids.size(), 2U);
    EXPECT_THAT(late_worker(*trace), HasSubstr("ms after its birth"));
    // Either nobody entered a reclaim meanwhile, and that is said, or it is not known what the worker did.
    EXPECT_NE(trace->summary().late, late_worker(*trace).find("nobody on the machine") != std::string::npos);
}

}  // namespace
}  // namespace reflux::observe
