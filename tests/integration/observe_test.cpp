// The observers on the real kernel: needs root, loop devices, mkfs.ext4, tracefs and a memory cgroup
// controller. Everything is made in a mount namespace and a folder of the test's own.
#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "backend/base/scope_exit.h"
#include "harness/observe/kernel_log.h"
#include "harness/observe/progress.h"
#include "harness/observe/task_stacks.h"
#include "harness/observe/trace.h"
#include "tests/integration/support/frozen_filesystem.h"
#include "tests/integration/support/tools.h"
#include "tests/support/temporary_folder.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <optional>

#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::observe {
namespace {

using test::comes_true;
using test::run_tool;
using testing::HasSubstr;
namespace files = std::filesystem;

// CPU time of this thread: other load on the machine does not count.
double cpu_s() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double monotonic_s() {
    return Seconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Where a group with a memory limit can be made: a v1 hierarchy, or v2 with the controller.
std::optional<std::string> memory_hierarchy() {
    if (files::exists("/sys/fs/cgroup/memory/memory.limit_in_bytes") ||
        files::exists("/sys/fs/cgroup/memory/cgroup.procs")) {
        return "/sys/fs/cgroup/memory";
    }
    const auto enabled = read_file("/sys/fs/cgroup/cgroup.subtree_control");
    return enabled && enabled->find("memory") != std::string::npos
               ? std::optional<std::string>("/sys/fs/cgroup")
               : std::nullopt;
}

class Observe : public testing::Test {
  protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
        ASSERT_TRUE(test::own_mount_namespace());
        name_ = files::path(folder_.path()).filename();
        mounts_ = read_file("/proc/self/mounts").value_or("");
    }

    void TearDown() override {
        if (mounts_.empty()) {
            return;
        }
        frozen_.reset();
        end_child();
        remove_instance();
        for (const auto& mount : {upper_, tracefs_}) {
            if (!mount.empty()) {
                EXPECT_EQ(::umount2(mount.c_str(), 0), 0) << mount << ": " << errno;
            }
        }
        if (!loop_.empty()) {
            run_tool({"losetup", "-d", loop_});
            EXPECT_TRUE(
                comes_true([&] { return !files::exists("/sys/block/" + loop_.substr(5) + "/loop"); }));
        }
        if (!cgroup_.empty()) {
            EXPECT_TRUE(comes_true([&] { return ::rmdir(cgroup_.c_str()) == 0; })) << cgroup_;
        }
        EXPECT_EQ(read_file("/proc/self/mounts").value_or("?"), mounts_);
    }

    void mount_tracefs() {
        const auto place = folder_ / "tracing";
        files::create_directory(place);
        if (::mount("reflux", place.c_str(), "tracefs", 0, nullptr) != 0) {
            GTEST_SKIP() << "no tracefs";
        }
        tracefs_ = place;
        EXPECT_EQ(mounted_tracefs(*read_file("/proc/self/mounts")).has_value(), true);
    }

    void make_filesystem() {
        const auto image = folder_ / "image";
        run_tool({"truncate", "-s", "512M", image});
        run_tool({"mkfs.ext4", "-q", image});
        loop_ = run_tool({"losetup", "-f", "--show", image});
        number_ = trimmed(read_file("/sys/block/" + loop_.substr(5) + "/dev").value_or(""));
        const auto place = folder_ / "upper";
        files::create_directory(place);
        ASSERT_EQ(::mount(loop_.c_str(), place.c_str(), "ext4", 0, nullptr), 0) << errno;
        upper_ = place;
    }

    void make_cgroup(std::uint64_t limit) {
        const auto hierarchy = memory_hierarchy();
        if (!hierarchy) {
            GTEST_SKIP() << "no memory controller";
        }
        const auto place = *hierarchy + "/" + name_;
        ASSERT_EQ(::mkdir(place.c_str(), 0755), 0) << errno;
        cgroup_ = place;
        const bool second = files::exists(place + "/memory.max");
        ASSERT_TRUE(write_file(place + (second ? "/memory.max" : "/memory.limit_in_bytes"),
                               fmt::format("{}", limit)));
    }

    // A child that waits for go(), then writes `mebibytes` to a file of the filesystem and ends.
    void start_writer(int mebibytes) {
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        const UniqueFd wait_end(ends[0]);
        go_ = UniqueFd(ends[1]);
        SpawnOptions options;
        if (!cgroup_.empty()) {
            options.cgroup_procs = {cgroup_ + "/cgroup.procs"};
        }
        options.inherit = {wait_end.get()};
        auto child = fork_call(
            [path = upper_ + "/file", mebibytes, fd = wait_end.get()]() -> Status {
                char byte = 0;
                if (::read(fd, &byte, 1) != 1) {
                    return fail_errno("wait for the start");
                }
                REFLUX_TRY(const auto file, open_file(path, O_WRONLY | O_CREAT));
                const std::string block(1U << 20U, 'x');
                for (int i = 0; i < mebibytes; ++i) {
                    REFLUX_CHECK(write_all(file.get(), block, path));
                }
                return ::fsync(file.get()) == 0 ? Status{} : Status(fail_errno("fsync"));
            },
            options);
        ASSERT_TRUE(child) << child.error().message;
        child_ = *std::move(child);
    }
    void go() { ASSERT_EQ(::write(go_.get(), "g", 1), 1); }

    void freeze() {
        auto frozen = test::FrozenFilesystem::freeze(upper_);
        ASSERT_TRUE(frozen) << frozen.error().message;
        frozen_.emplace(std::move(*frozen));
    }
    // As undoing the journal does at the end of a run.
    void remove_instance() const {
        const auto instance = fmt::format("{}/instances/{}", tracefs_, name_);
        if (!tracefs_.empty() && files::exists(instance)) {
            EXPECT_EQ(::rmdir(instance.c_str()), 0) << "a file of it is open: " << errno;
        }
    }
    void end_child() {
        go_.reset();
        if (child_.pid > 0) {
            const auto status = wait_for(child_, Seconds(30));
            EXPECT_TRUE(status && *status && (*status)->ok())
                << (status && *status ? to_string(**status) : "it runs");
            child_.pid = -1;
        }
    }
    [[nodiscard]] StackMembers members() const {
        return {.upper = {.name = loop_.substr(5), .number = number_, .filesystem = "ext4"},
                .lower = {},
                .daemon_pids = {child_.pid},
                .workload_pids = {}};
    }

    test::TemporaryFolder folder_;
    std::string name_, mounts_, tracefs_, upper_, loop_, number_, cgroup_;
    UniqueFd go_;
    std::optional<test::FrozenFilesystem> frozen_;
    Child child_;
};

TEST_F(Observe, TraceShowsTheReclaimsOfAWriterUnderALimit) {
    ASSERT_NO_FATAL_FAILURE(mount_tracefs());
    ASSERT_NO_FATAL_FAILURE(make_filesystem());
    ASSERT_NO_FATAL_FAILURE(make_cgroup(64U << 20U));
    if (IsSkipped()) {
        return;
    }
    ASSERT_NO_FATAL_FAILURE(start_writer(300));
    const int tid = child_.pid;
    auto trace = TraceInstance::create(tracefs_, name_, 4096);
    ASSERT_TRUE(trace) << trace.error().message;
    const double start = monotonic_s();
    trace->set_run_start(start);
    trace->set_devices({.upper = number_, .lower = {}, .upper_alias = {}, .lower_alias = {}});
    ASSERT_TRUE(trace->keep_text(folder_ / "trace.txt", 64U << 10U));
    EXPECT_FALSE(trace->start({}, true));  // would trace the machine
    ASSERT_TRUE(trace->start({tid}, true));
    EXPECT_EQ(trimmed(read_file(tracefs_ + "/events/enable").value_or("")),
              "0");                  // outside the instance: nothing
    EXPECT_EQ(*trace->drain(), 0U);  // and it does not wait

    const auto before = block_counters("/sys", number_);
    go();
    ASSERT_TRUE(comes_true([&] {
        EXPECT_TRUE(trace->drain());
        return ::poll(std::array<pollfd, 1>{{{child_.pidfd.get(), POLLIN, 0}}}.data(), 1, 0) == 1;
    }));
    const double end = monotonic_s() - start;
    const auto after = block_counters("/sys", number_);
    ASSERT_TRUE(before && after);
    EXPECT_GT(after->completed, before->completed);
    EXPECT_TRUE(memory_usage(cgroup_));
    EXPECT_TRUE(memory_pressure(cgroup_, "/proc"));
    end_child();

    ASSERT_TRUE(trace->stop(Seconds(20)));
    EXPECT_EQ(trimmed(read_file(trace->directory() + "/events/enable").value_or("")), "0");
    while (trace->drain().value_or(0) > 0) {
    }
    const auto summary = trace->summary();
    ASSERT_TRUE(trace->close());
    remove_instance();

    EXPECT_TRUE(summary.available);
    EXPECT_THAT(summary.events, testing::Contains("vmscan/mm_vmscan_memcg_reclaim_begin"));
    EXPECT_GT(summary.reclaim_count, 0U);
    ASSERT_FALSE(summary.reclaims.empty());
    const bool sleeps_traced =
        summary.weaker.empty() || !std::ranges::any_of(summary.weaker, [](const auto& it) {
            return it.find("sleep") != std::string::npos;
        });
    for (const auto& reclaim : summary.reclaims) {
        EXPECT_EQ(reclaim.order, 0);
        EXPECT_TRUE(reclaim.gfp_bits) << reclaim.gfp_flags;
        EXPECT_TRUE(reclaim.gfp_fs);
        EXPECT_EQ(reclaim.wait_count > 0, !reclaim.waits.empty());
        for (const auto& wait : reclaim.waits) {
            EXPECT_GE(wait.begin_s, reclaim.begin_s);
            EXPECT_TRUE(!sleeps_traced || !wait.stack.empty());
        }
        EXPECT_EQ(reclaim.tid, tid);
        EXPECT_EQ(reclaim.kind, "memcg");
        EXPECT_THAT(reclaim.gfp_flags, HasSubstr("GFP_"));
        EXPECT_GE(reclaim.begin_s, 0);
        EXPECT_LE(reclaim.begin_s, end);
    }
    const auto text = read_file(folder_ / "trace.txt").value_or("");
    EXPECT_THAT(text, HasSubstr(fmt::format("-{} ", tid)));
    EXPECT_LE(text.size(), (128U << 10U) + 100);
    RecordProperty("reclaims", std::to_string(summary.reclaim_count));
    RecordProperty("upper_events", std::to_string(summary.upper_event_count));
    RecordProperty("lost", std::to_string(summary.lost_events));
}

// What happens with every request costs nothing before there is a reclaim to look into.
TEST_F(Observe, TheTraceIsQuietUntilSomebodyEntersReclaim) {
    ASSERT_NO_FATAL_FAILURE(mount_tracefs());
    ASSERT_NO_FATAL_FAILURE(make_filesystem());
    if (IsSkipped()) {
        return;
    }
    ASSERT_NO_FATAL_FAILURE(start_writer(8));
    auto trace = TraceInstance::create(tracefs_, name_, 4096);
    ASSERT_TRUE(trace) << trace.error().message;
    trace->set_devices({});
    ASSERT_TRUE(trace->start({child_.pid}, false));
    const auto scanned = [] {
        const auto text = read_file("/proc/vmstat").value_or("");
        std::string found;
        for (const auto& line : lines_of(text)) {
            found += line.starts_with("pgscan_direct ") || line.starts_with("allocstall") ? line : "";
        }
        return found;
    };
    const auto before = scanned();
    go();
    ASSERT_TRUE(comes_true([&] {
        return ::poll(std::array<pollfd, 1>{{{child_.pidfd.get(), POLLIN, 0}}}.data(), 1, 0) == 1;
    }));
    end_child();
    const auto drained = trace->drain();
    const bool reclaimed = scanned() != before;
    ASSERT_TRUE(trace->stop(Seconds(20)));
    const auto summary = trace->summary();
    ASSERT_TRUE(trace->close());
    remove_instance();
    EXPECT_THAT(summary.events, testing::Contains("sched/sched_switch"));
    EXPECT_THAT(summary.events, testing::Contains("jbd2/jbd2_handle_start"));
    if (reclaimed) {
        GTEST_SKIP() << "this machine is short of memory: something entered reclaim meanwhile";
    }
    EXPECT_EQ(drained.value_or(1), 0U);
}

TEST_F(Observe, LostEventsAreCounted) {
    ASSERT_NO_FATAL_FAILURE(mount_tracefs());
    ASSERT_NO_FATAL_FAILURE(make_filesystem());
    ASSERT_NO_FATAL_FAILURE(make_cgroup(32U << 20U));
    if (IsSkipped()) {
        return;
    }
    ASSERT_NO_FATAL_FAILURE(start_writer(400));
    auto trace = TraceInstance::create(tracefs_, name_, 4);  // a page or two
    ASSERT_TRUE(trace) << trace.error().message;
    ASSERT_TRUE(trace->start({child_.pid}, false));
    go();
    end_child();
    ASSERT_TRUE(trace->drain());
    EXPECT_GT(trace->summary().lost_events, 0U);
}

TEST_F(Observe, WhatIsLeftInTheBuffersCountsAsLost) {
    ASSERT_NO_FATAL_FAILURE(mount_tracefs());
    ASSERT_NO_FATAL_FAILURE(make_filesystem());
    ASSERT_NO_FATAL_FAILURE(make_cgroup(32U << 20U));
    if (IsSkipped()) {
        return;
    }
    ASSERT_NO_FATAL_FAILURE(start_writer(60));
    auto trace = TraceInstance::create(tracefs_, name_, 8192);
    ASSERT_TRUE(trace) << trace.error().message;
    ASSERT_TRUE(trace->start({child_.pid}, false));
    go();
    end_child();
    trace->leave_the_rest();
    EXPECT_GT(trace->summary().lost_events, 0U);
}

// Each write of the daemon starts handles of the lower journal, which would be most of the trace.
TEST_F(Observe, JournalHandlesAreThoseOfTheUpperDevice) {
    ASSERT_NO_FATAL_FAILURE(mount_tracefs());
    ASSERT_NO_FATAL_FAILURE(make_filesystem());  // jbd2 has its events with its first mount
    if (IsSkipped()) {
        return;
    }
    auto trace = TraceInstance::create(tracefs_, name_, 64);
    ASSERT_TRUE(trace) << trace.error().message;
    trace->set_devices({.upper = "7:3", .lower = "7:2"});
    ASSERT_TRUE(trace->start({::getpid()}, false));
    const auto filter = read_file(trace->directory() + "/events/jbd2/jbd2_handle_start/filter");
    ASSERT_TRUE(filter) << filter.error().message;
    EXPECT_EQ(trimmed(*filter), fmt::format("dev == {}", 7U << 20U | 3U));
}

// A kernel that does not let go of the switch: in its place a pipe, the opening of which waits for a reader.
// In a child, because what the trace leaves open there is closed with it.
TEST_F(Observe, AStopThatHangsIsGivenUp) {
    ASSERT_NO_FATAL_FAILURE(mount_tracefs());
    if (IsSkipped()) {
        return;
    }
    const auto pipe = folder_ / "pipe";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    const auto held = call_bounded("the trace that hangs", Seconds(20), [&]() -> Status {
        REFLUX_TRY(auto trace, TraceInstance::create(tracefs_, name_, 64));
        REFLUX_CHECK(trace.start({::getpid()}, false));
        const auto place = trace.directory() + "/events/enable";
        if (::mount(pipe.c_str(), place.c_str(), nullptr, MS_BIND, nullptr) != 0) {
            return fail_errno("mount over " + place);
        }
        const ScopeExit unmount([&] { ::umount2(place.c_str(), MNT_DETACH); });
        const double begin = monotonic_s();
        const auto stopped = trace.stop(Seconds(0.3));
        const double took = monotonic_s() - begin;
        if (stopped || stopped.error().kind != ErrorKind::timed_out || took > 5) {
            return fail(ErrorKind::system, fmt::format("stop() took {} s: {}", took,
                                                       stopped ? "done" : stopped.error().message));
        }
        REFLUX_TRY(const auto drained, trace.drain());
        REFLUX_CHECK(trace.close());
        return drained == 0 ? Status{} : fail(ErrorKind::system, "it reads a pipe that may block");
    });
    EXPECT_TRUE(held) << held.error().message;
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
