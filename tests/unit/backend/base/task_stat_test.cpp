#include "backend/base/task_stat.h"

#include "backend/base/scope_exit.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include <unistd.h>

#include <gtest/gtest.h>

namespace reflux {
namespace {

// The threads of this very process, of which some come and go while they are listed.
TEST(ReadThreads, HasEveryThreadThatStays) {
    std::atomic<bool> stop = false;
    std::vector<std::thread> staying;
    for (int i = 0; i < 3; ++i) {
        staying.emplace_back([&] { stop.wait(false); });
    }
    const ScopeExit end([&] {
        stop = true;
        stop.notify_all();
        for (auto& thread : staying) {
            thread.join();
        }
    });
    for (int round = 0; round < 50; ++round) {
        std::thread passing([] {});
        const auto threads = read_threads("/proc/self");
        passing.join();
        ASSERT_TRUE(threads) << threads.error().message;
        EXPECT_GE(threads->size(), 1 + staying.size());
        EXPECT_TRUE(std::is_sorted(threads->begin(), threads->end(),
                                   [](const auto& a, const auto& b) { return a.tid < b.tid; }));
        EXPECT_TRUE(std::any_of(threads->begin(), threads->end(),
                                [](const ThreadStat& thread) { return thread.tid == ::getpid(); }));
    }
}

TEST(ProcessOf, IsTheSameForAllThreadsOfAProcess) {
    int tid = 0;
    std::thread([&] {
        tid = ::gettid();
        EXPECT_EQ(process_of("/proc", tid).value_or(0), ::getpid());
    }).join();
    EXPECT_NE(tid, ::getpid());
    EXPECT_EQ(process_of("/proc", ::getpid()).value_or(0), ::getpid());
    EXPECT_FALSE(process_of("/proc", 0));
}

TEST(ReadThreads, OfNoProcessIsAnErrorWithItsNumber) {
    const auto none = read_threads("/proc/0");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().errnum, ENOENT);
}

}  // namespace
}  // namespace reflux
