// The observers on the real kernel: needs root, loop devices, mkfs.ext4, tracefs and a memory cgroup
// controller. Everything is made in a mount namespace and a folder of the test's own.
#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "harness/observe/kernel_log.h"
#include "harness/observe/progress.h"
#include "harness/observe/task_stacks.h"
#include "harness/observe/trace.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>

#include <linux/fs.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::observe {
namespace {

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

// Asks again and again until it holds; false: not within 10 s.
bool comes_true(const std::function<bool()>& condition) {
    const double end = monotonic_s() + 10;
    while (!condition()) {
        if (monotonic_s() > end) {
            return false;
        }
        ::poll(nullptr, 0, 10);
    }
    return true;
}

std::string command(const std::vector<std::string>& argv) {
    const auto result = run_command(argv, Seconds(30));
    EXPECT_TRUE(result && result->exit && result->exit->ok())
        << argv[0] << ": " << (result ? result->output : "");
    return result ? trimmed(result->output) : "";
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
        static const bool own_namespace =
            ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
        ASSERT_TRUE(own_namespace);
        std::string name = "/tmp/reflux-observe-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
        name_ = files::path(folder_).filename();
        mounts_ = read_file("/proc/self/mounts").value_or("");
    }

    void TearDown() override {
        if (folder_.empty()) {
            return;
        }
        thaw();
        end_child();
        for (const auto& mount : {upper_, tracefs_}) {
            if (!mount.empty()) {
                EXPECT_EQ(::umount2(mount.c_str(), 0), 0) << mount << ": " << errno;
            }
        }
        if (!loop_.empty()) {
            command({"losetup", "-d", loop_});
            EXPECT_TRUE(
                comes_true([&] { return !files::exists("/sys/block/" + loop_.substr(5) + "/loop"); }));
        }
        if (!cgroup_.empty()) {
            EXPECT_TRUE(comes_true([&] { return ::rmdir(cgroup_.c_str()) == 0; })) << cgroup_;
        }
        files::remove_all(folder_);
        EXPECT_EQ(read_file("/proc/self/mounts").value_or("?"), mounts_);
    }

    void mount_tracefs() {
        const auto place = folder_ + "/tracing";
        files::create_directory(place);
        if (::mount("reflux", place.c_str(), "tracefs", 0, nullptr) != 0) {
            GTEST_SKIP() << "no tracefs";
        }
        tracefs_ = place;
        EXPECT_EQ(mounted_tracefs(*read_file("/proc/self/mounts")).has_value(), true);
    }

    void make_filesystem() {
        const auto image = folder_ + "/image";
        command({"truncate", "-s", "512M", image});
        command({"mkfs.ext4", "-q", image});
        loop_ = command({"losetup", "-f", "--show", image});
        number_ = trimmed(read_file("/sys/block/" + loop_.substr(5) + "/dev").value_or(""));
        const auto place = folder_ + "/upper";
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
        frozen_ = *open_file(upper_, O_RDONLY | O_DIRECTORY);
        ASSERT_EQ(::ioctl(frozen_.get(), FIFREEZE, 0), 0) << errno;
    }
    void thaw() {
        if (frozen_) {
            EXPECT_EQ(::ioctl(frozen_.get(), FITHAW, 0), 0) << errno;
            frozen_.reset();
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

    std::string folder_, name_, mounts_, tracefs_, upper_, loop_, number_, cgroup_;
    UniqueFd go_, frozen_;
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
    ASSERT_TRUE(trace->keep_text(folder_ + "/trace.txt", 64U << 10U));
    EXPECT_FALSE(trace->start({}));  // would trace the machine
    ASSERT_TRUE(trace->start({tid}));
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
    EXPECT_EQ(oom_kills(cgroup_).value_or(99), 0U);
    EXPECT_TRUE(memory_pressure(cgroup_, "/proc"));
    end_child();

    ASSERT_TRUE(trace->stop());
    while (trace->drain().value_or(0) > 0) {
    }
    const auto summary = trace->summary();
    ASSERT_TRUE(trace->remove());
    ASSERT_TRUE(trace->remove());
    EXPECT_FALSE(files::exists(trace->directory()));

    EXPECT_TRUE(summary.available);
    EXPECT_THAT(summary.events, testing::Contains("vmscan/mm_vmscan_memcg_reclaim_begin"));
    EXPECT_GT(summary.reclaim_count, 0U);
    ASSERT_FALSE(summary.reclaims.empty());
    for (const auto& reclaim : summary.reclaims) {
        EXPECT_EQ(reclaim.tid, tid);
        EXPECT_EQ(reclaim.kind, "memcg");
        EXPECT_THAT(reclaim.gfp_flags, HasSubstr("GFP_"));
        EXPECT_GE(reclaim.begin_s, 0);
        EXPECT_LE(reclaim.begin_s, end);
    }
    const auto text = read_file(folder_ + "/trace.txt").value_or("");
    EXPECT_THAT(text, HasSubstr(fmt::format("-{} ", tid)));
    EXPECT_LE(text.size(), (128U << 10U) + 100);
    RecordProperty("reclaims", std::to_string(summary.reclaim_count));
    RecordProperty("upper_events", std::to_string(summary.upper_event_count));
    RecordProperty("lost", std::to_string(summary.lost_events));
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
    ASSERT_TRUE(trace->start({child_.pid}));
    go();
    end_child();
    ASSERT_TRUE(trace->drain());
    EXPECT_GT(trace->summary().lost_events, 0U);
    ASSERT_TRUE(trace->remove());
}

TEST_F(Observe, AWriterToAFrozenFilesystemIsFoundBlocked) {
    ASSERT_NO_FATAL_FAILURE(make_filesystem());
    ASSERT_NO_FATAL_FAILURE(start_writer(1));
    const int tid = child_.pid;
    freeze();
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

    thaw();
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
