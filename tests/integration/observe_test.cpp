// Samples of tasks, of the machine and of the kernel log on the real kernel.
#include "harness/observe/kernel_log.h"
#include "harness/observe/progress.h"
#include "tests/integration/support/observe_fixture.h"

#include <algorithm>
#include <ctime>

namespace reflux::observe {
namespace {

// CPU time of this thread: other load on the machine does not count.
double cpu_s() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

TEST_F(Observe, AWriterToAFrozenFilesystemIsFoundBlocked) {
    ASSERT_NO_FATAL_FAILURE(make_filesystem());
    ASSERT_NO_FATAL_FAILURE(start_writer(1));
    const int tid = child_.pid;
    ASSERT_NO_FATAL_FAILURE(freeze());
    go();
    std::vector<evidence::TaskSample> found;
    const auto one = [&](const auto& matches) { return std::find_if(found.begin(), found.end(), matches); };
    // It may be in D for a moment before, to read a block; a freeze is waited for in a percpu_rw_semaphore.
    const auto is_writer = [&](const evidence::TaskSample& task) {
        return task.tid == tid &&
               std::any_of(task.stack.begin(), task.stack.end(), [](const std::string& frame) {
                   return frame.find("percpu") != std::string::npos;
               });
    };
    ASSERT_TRUE(comes_true([&] {
        found = sample_blocked("/proc", members(), true).value_or(std::vector<evidence::TaskSample>{});
        return one(is_writer) != found.end();
    }));
    const auto& writer = *one(is_writer);
    EXPECT_EQ(writer.state, 'D');
    EXPECT_EQ(writer.role, "daemon");
    EXPECT_GT(writer.stack.size(), 3U);
    const auto journal = one(
        [&](const evidence::TaskSample& task) { return task.name.starts_with("jbd2/" + loop_.substr(5)); });
    ASSERT_NE(journal, found.end());
    EXPECT_EQ(journal->role, "upper");

    // It sits in one wait: same stack, no context switch.
    const auto again = sample_process("/proc", tid, "daemon", true);
    ASSERT_TRUE(again && again->size() == 1);
    EXPECT_EQ(again->front().stack, writer.stack);
    EXPECT_EQ(again->front().voluntary_switches, writer.voluntary_switches);

    ASSERT_TRUE(frozen_->thaw());
    end_child();
    const auto gone = sample_process("/proc", tid, "daemon", true);
    ASSERT_TRUE(gone);
    EXPECT_TRUE(gone->empty());
}

TEST_F(Observe, KernelLogGivesWhatIsWrittenAfterItsStart) {
    ASSERT_TRUE(write_file("/dev/kmsg", "<4>" + name_ + ": before\n"));
    auto log = KernelLog::open();
    if (!log.available()) {
        GTEST_SKIP() << log.unavailable_reason();
    }
    ASSERT_TRUE(write_file("/dev/kmsg", "<4>" + name_ + ": I/O error, a test of reflux\n"));
    const auto records = log.drain();
    ASSERT_TRUE(records) << records.error().message;
    std::vector<std::string> own;
    for (const auto& record : *records) {
        if (record.text.starts_with(name_)) {
            own.push_back(record.text);
            EXPECT_EQ(record.level, 4);
            EXPECT_FALSE(record.from_kernel);
        }
    }
    EXPECT_THAT(own, testing::ElementsAre(name_ + ": I/O error, a test of reflux"));
    EXPECT_TRUE(log.drain());
}

TEST_F(Observe, ASampleOfTheMachineIsCheap) {
    double best = 1e9;
    std::size_t tasks = 0;
    for (int i = 0; i < 5; ++i) {
        const double begin = cpu_s();
        const auto found = sample_blocked("/proc", StackMembers{}, true);
        best = std::min(best, cpu_s() - begin);
        ASSERT_TRUE(found);
    }
    const auto names = list_directory("/proc").value_or(std::vector<std::string>{});
    for (const auto& name : names) {
        tasks += std::isdigit(static_cast<unsigned char>(name.front())) != 0 ? 1 : 0;
    }
    RecordProperty("milliseconds", std::to_string(best * 1e3));
    RecordProperty("tasks", std::to_string(tasks));
    // Some 10 µs a task; a sanitizer's build takes ten times as long.
    EXPECT_LT(best / static_cast<double>(tasks), 1e-3) << "a task";
}

}  // namespace
}  // namespace reflux::observe
