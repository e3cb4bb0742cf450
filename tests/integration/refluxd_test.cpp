// refluxd on the real kernel: what it serves, and how it ends. Needs root and /dev/fuse.
#include "backend/base/kernel_file.h"
#include "backend/base/mountinfo.h"
#include "backend/base/scope_exit.h"
#include "backend/base/task_stat.h"
#include "tests/integration/support/refluxd_fixture.h"

#include <algorithm>
#include <csignal>
#include <filesystem>

#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::HasSubstr;
namespace files = std::filesystem;

// The connection of a mount, as fusectl names it.
std::string connection_of(const std::string& mountpoint) {
    const auto all = mounts().value_or(std::vector<Mount>{});
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const Mount& mount) { return mount.mount_point == mountpoint; });
    return found == all.end() ? "" : split(found->device, ':').at(1);
}

INSTANTIATE_TEST_SUITE_P(All, RefluxdEngines, testing::Values("sync", "threads", "uring"));

TEST_P(RefluxdEngines, KeepsWhatIsWrittenOverARestart) {
    const std::string large = pattern(3 << 20, 1);  // many requests, over zone borders, from unaligned memory
    const std::string small = pattern(512, 2);
    {
        auto process = serve({"--engine", GetParam()});
        ASSERT_TRUE(process) << process.error().message;
        EXPECT_EQ(process->ready()["event"], "ready");
        EXPECT_EQ(process->ready()["pid"], process->pid());
        EXPECT_EQ(process->ready()["size"], 16 << 20);
        EXPECT_EQ(process->ready()["control"], socket_);
        EXPECT_EQ(process->ready()["mountpoint"], mountpoint_);
        write_disk(disk(), 5 * (1 << 20) + 4096, large);
        write_disk(disk(), (16 << 20) - 512, small);
        EXPECT_TRUE(read_disk(disk(), 5 * (1 << 20) + 4096, large.size()) == large);
        end_well(*process);
        EXPECT_FALSE(files::exists(socket_));
        EXPECT_EQ(process->errors(), "");
    }
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    EXPECT_TRUE(read_disk(disk(), 5 * (1 << 20) + 4096, large.size()) == large);
    EXPECT_TRUE(read_disk(disk(), (16 << 20) - 512, 4096) == small) << "a read ends at the end of the disk";
    const auto zones = ask_control(socket_, "zones", Seconds(10));
    ASSERT_EQ(zones.size(), 16U);
    EXPECT_EQ(zones[0]["type"], "conventional");
    EXPECT_EQ(zones[5]["condition"], "full");
    EXPECT_EQ(zones[8]["condition"], "closed");
    EXPECT_EQ(zones[8]["write_pointer"], 8 * (1 << 20) + 4096);
    EXPECT_EQ(zones[15]["condition"], "full");
    end_well(*process);
}

TEST_P(RefluxdEngines, CarriesAFilesystemOnALoopDevice) {
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    const std::string upper = folder_ / "upper";
    files::create_directory(upper);
    run_tool({"mkfs.ext4", "-q", disk()});
    run_tool({"mount", "-o", "loop", disk(), upper});
    const ScopeExit unmount([&] { ::umount2(upper.c_str(), MNT_DETACH); });
    const std::string data = pattern(2 << 20, 3);
    ASSERT_TRUE(replace_file(upper + "/file", data));
    run_tool({"umount", upper});  // syncs; the loop device goes with it
    run_tool({"fsck.ext4", "-f", "-n", disk()});
    run_tool({"mount", "-o", "loop", disk(), upper});
    EXPECT_TRUE(read_file(upper + "/file").value_or("") == data);
    run_tool({"umount", upper});
    EXPECT_GT(status()["counters"]["flushes"], 0) << "the filesystem's flushes arrive";
    EXPECT_EQ(status()["counters"]["errors"], 0);
    end_well(*process);
}

TEST_P(RefluxdEngines, StatusNamesItsThreads) {
    auto process = serve({"--engine", GetParam(), "--threads", "3"});
    ASSERT_TRUE(process) << process.error().message;
    const auto reported = status();
    ASSERT_TRUE(reported.is_object());
    EXPECT_EQ(reported["pid"], process->pid());
    EXPECT_EQ(reported["engine"], GetParam());
    std::vector<std::string> roles;
    for (const auto& thread : reported["threads"]) {
        roles.push_back(thread["role"]);
        const auto stat =
            read_task_stat(fmt::format("/proc/{}/task/{}/stat", process->pid(), thread["tid"].get<int>()));
        ASSERT_TRUE(stat);
        EXPECT_EQ(stat->name, thread["name"]);
    }
    EXPECT_EQ(reported["io"]["direct"], false);
    if (GetParam() == "sync") {
        EXPECT_THAT(roles, testing::UnorderedElementsAre("io", "io", "io", "control"));
    } else if (GetParam() == "uring") {
        EXPECT_THAT(roles, testing::UnorderedElementsAre("front_end", "io", "control"));
        EXPECT_GT(reported["io"]["registered_bytes"], 1 << 20);
    } else {
        EXPECT_THAT(roles, testing::UnorderedElementsAre("front_end", "io", "io", "io", "control"));
    }
    end_well(*process);
}

// The kernel makes threads of its own for what has to wait: no surprise, status tells them.
TEST_F(RefluxdTest, StatusListsTheKernelsWorkersOfTheRing) {
    auto process = serve({"--engine", "uring", "--threads", "2"});
    ASSERT_TRUE(process) << process.error().message;
    const auto workers = [&] {
        std::size_t count = 0;
        const auto reported = status();
        for (const auto& thread : reported["threads"]) {
            if (thread["role"] == "io_worker") {
                EXPECT_THAT(thread["name"].get<std::string>(), HasSubstr("iou-wrk-"));
                EXPECT_NE(thread["flags"].get<std::uint64_t>() & pf_io_worker, 0U);
                ++count;
            }
        }
        return count;
    };
    EXPECT_EQ(workers(), 0U);
    write_disk(disk(), 0, pattern(1 << 20, 6));  // ends in an fsync, which waits
    EXPECT_GE(workers(), 1U);
    EXPECT_LE(workers(), 2U);
    end_well(*process);
}

TEST_P(RefluxdEngines, DirectKeepsWhatIsWrittenAlignedOrNot) {
    auto process = serve({"--engine", GetParam(), "--direct"});
    if (!process && process.error().message.find("refuses O_DIRECT") != std::string::npos) {
        GTEST_SKIP() << process.error().message;
    }
    ASSERT_TRUE(process) << process.error().message;
    // Of larger ones the kernel makes messages as the caller's memory has pages.
    const std::string large = pattern(512 << 10, 7);
    const std::string small = pattern(512, 8);
    write_disk(disk(), 5 << 20, large);
    EXPECT_EQ(status()["io"]["direct"], true);
    EXPECT_EQ(status()["io"]["unaligned"], 0) << "what FUSE sends is aligned when its place is";
    write_disk(disk(), (5 << 20) + 1536, small);
    EXPECT_EQ(status()["io"]["unaligned"], 1);
    const std::string expected = large.substr(0, 1536) + small + large.substr(2048);
    EXPECT_TRUE(read_disk(disk(), 5 << 20, large.size()) == expected);
    EXPECT_EQ(status()["io"]["unaligned"], 1);
    end_well(*process);
}

TEST_P(RefluxdEngines, FaultsAreSwitchedWhileItServes) {
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    const auto fd = open_file(disk(), O_RDWR);
    ASSERT_TRUE(fd);
    const auto write = [&](const std::string& data, off_t offset) {
        return ::pwrite(fd->get(), data.data(), data.size(), offset) == static_cast<ssize_t>(data.size())
                   ? 0
                   : errno;
    };
    const auto fault = [&](const std::string& command) {
        const auto answer = ask_control(socket_, "fault " + command, Seconds(10));
        ASSERT_TRUE(answer.contains("faults")) << answer;
    };
    const std::string before(8192, 'b');
    const std::string after(8192, 'a');
    ASSERT_EQ(write(before, 0), 0);
    fault("set error error=ENOSPC operations=write every=3 count=1");  // the third one alone
    EXPECT_EQ((std::vector{write(after, 0), write(after, 0), write(before, 0), write(after, 0)}),
              (std::vector{0, 0, ENOSPC, 0}));
    EXPECT_TRUE(read_disk(disk(), 0, 8192) == after);
    fault("set error torn operations=write range=1MiB-2MiB");
    EXPECT_EQ(write(before, 0), 0) << "out of the range";
    ASSERT_EQ(write(after, 1 << 20), EIO);
    EXPECT_TRUE(read_disk(disk(), 1 << 20, 8192) == after.substr(0, 4096) + std::string(4096, '\0'));
    fault("set error probability=1 operations=read");
    EXPECT_EQ(write(after, 1 << 20), 0) << "set anew, it is another one";
    EXPECT_EQ(read_disk(disk(), 0, 4096), "");
    fault("clear");
    EXPECT_TRUE(read_disk(disk(), 1 << 20, 8192) == after);
    end_well(*process);
}

TEST_F(RefluxdTest, EndsOnEitherSignalWhenIdle) {
    for (const int number : {SIGTERM, SIGINT}) {
        auto process = serve();
        ASSERT_TRUE(process) << process.error().message;
        ASSERT_TRUE(process->signal(number));
        EXPECT_EQ(process->wait(), 0);
        EXPECT_FALSE(is_mounted());
    }
}

TEST_F(RefluxdTest, AfterAKillTheImageOpensWithAWarning) {
    const std::string data = pattern(8192, 4);
    {
        auto process = serve();
        ASSERT_TRUE(process) << process.error().message;
        write_disk(disk(), 6 << 20, data);
        ASSERT_TRUE(process->signal(SIGKILL));
        ASSERT_EQ(process->wait(), 128 + SIGKILL);
    }
    // The killed daemon has left its mount; the next one names it.
    const auto busy = run_refluxd({"serve", image_, mountpoint_});
    EXPECT_EQ(busy.code, 2) << busy.output;
    EXPECT_THAT(busy.output, HasSubstr("umount " + mountpoint_));
    ASSERT_EQ(::umount2(mountpoint_.c_str(), MNT_DETACH), 0);
    auto process = serve();
    ASSERT_TRUE(process) << process.error().message;
    EXPECT_TRUE(read_disk(disk(), 6 << 20, data.size()) == data);
    EXPECT_EQ(ask_control(socket_, "zones", Seconds(10))[6]["write_pointer"], (6 << 20) + 8192)
        << "it was flushed";
    end_well(*process);
    EXPECT_THAT(process->errors(), HasSubstr("not closed cleanly"));
    auto again = serve();
    ASSERT_TRUE(again) << again.error().message;
    end_well(*again);
    EXPECT_EQ(again->errors(), "");
}

TEST_F(RefluxdTest, AnAbortedConnectionIsOneLineAndExit4) {
    const std::string fusectl = folder_ / "fusectl";
    files::create_directory(fusectl);
    ASSERT_EQ(::mount("none", fusectl.c_str(), "fusectl", 0, nullptr), 0);
    const ScopeExit unmount([&] { ::umount2(fusectl.c_str(), MNT_DETACH); });
    auto process = serve();
    ASSERT_TRUE(process) << process.error().message;
    ASSERT_TRUE(write_file(fusectl + "/" + connection_of(mountpoint_) + "/abort", "1"));
    EXPECT_EQ(process->wait(), 4);
    const auto errors = process->errors();
    EXPECT_THAT(errors, HasSubstr("aborted from outside"));
    EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
    EXPECT_FALSE(files::exists(socket_));
}

TEST_F(RefluxdTest, AnUnmountFromOutsideIsACleanEnd) {
    auto process = serve();
    ASSERT_TRUE(process) << process.error().message;
    run_tool({"umount", mountpoint_});
    EXPECT_EQ(process->wait(), 0);
    EXPECT_THAT(process->errors(), HasSubstr("taken away from outside"));
}

TEST_F(RefluxdTest, TheDiskCannotBeChangedButInItsData) {
    auto process = serve();
    ASSERT_TRUE(process) << process.error().message;
    const auto error_of = [](int result) { return result == 0 ? 0 : errno; };
    struct stat before {};
    struct stat after {};
    ASSERT_EQ(::stat(disk().c_str(), &before), 0);
    EXPECT_EQ(error_of(::truncate(disk().c_str(), 0)), EINVAL);
    EXPECT_EQ(error_of(::open(disk().c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC) < 0 ? -1 : 0), EINVAL);
    ASSERT_EQ(::stat(disk().c_str(), &after), 0);
    EXPECT_EQ(after.st_size, before.st_size);
    EXPECT_EQ(error_of(::chmod(disk().c_str(), 0666)), EPERM);
    EXPECT_EQ(error_of(::unlink(disk().c_str())), EROFS);
    EXPECT_EQ(error_of(::mkdir((mountpoint_ + "/x").c_str(), 0700)), EROFS);
    EXPECT_EQ(error_of(::rename(disk().c_str(), (mountpoint_ + "/x").c_str())), EROFS);
    EXPECT_FALSE(open_file(mountpoint_ + "/x", O_WRONLY | O_CREAT));
    EXPECT_THAT(list_directory(mountpoint_).value(),
                testing::UnorderedElementsAre("disk", "report", "report.json", "zones"));
    struct stat status {};
    ASSERT_EQ(::stat(disk().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode, S_IFREG | 0600U);
    EXPECT_EQ(status.st_size, 16 << 20);
    const auto fd = open_file(disk(), O_RDWR);
    ASSERT_TRUE(fd);
    const std::string data(1024, 'x');
    EXPECT_EQ(::pwrite(fd->get(), data.data(), 1024, (16 << 20) - 512) < 0 ? errno : 0, ENOSPC);
    end_well(*process);
}

TEST_F(RefluxdTest, GoesIntoTheBackground) {
    const auto ended = run_refluxd({"serve", image_, mountpoint_, "--control", socket_, "--daemonize"});
    ASSERT_EQ(ended.code, 0) << ended.output;
    const auto ready = nlohmann::json::parse(ended.output, nullptr, false);
    ASSERT_TRUE(ready.is_object()) << ended.output;
    const pid_t pid = ready["pid"];
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    ASSERT_TRUE(process);
    EXPECT_EQ(status()["pid"], pid);
    EXPECT_EQ(files::read_symlink(fmt::format("/proc/{}/cwd", pid)), "/");
    write_disk(disk(), 0, pattern(4096, 5));
    ASSERT_EQ(::kill(pid, SIGTERM), 0);
    pollfd end{.fd = process.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&end, 1, 20000), 1);
    EXPECT_FALSE(files::exists(socket_));
    // A failure comes through to the first process.
    expect_refused({"serve", folder_ / "none", mountpoint_, "--daemonize"}, 2, "does not exist");
}

TEST_F(RefluxdTest, IoFlusherMarksEveryThreadOrSaysWhatIsMissing) {
    if (!holds_sys_resource()) {
        expect_refused({"serve", image_, mountpoint_, "--io-flusher"}, 3, "CAP_SYS_RESOURCE");
        return;
    }
    auto process = serve({"--io-flusher", "--engine", "threads"});
    ASSERT_TRUE(process) << process.error().message;
    const auto reported = status();
    for (const auto& thread : reported["threads"]) {
        EXPECT_TRUE(thread["io_flusher"]) << thread;
    }
    end_well(*process);
}

TEST_F(RefluxdTest, ListIsJson) {
    const auto listed = run_refluxd({"list"});
    ASSERT_EQ(listed.code, 0);
    const auto list = nlohmann::json::parse(listed.output, nullptr, false);
    ASSERT_TRUE(list.is_object()) << listed.output;
    EXPECT_EQ(list["engines"][0]["name"], "sync");
    EXPECT_EQ(list["engines"][1]["name"], "threads");
    EXPECT_EQ(list["engines"][2]["name"], "uring");
    EXPECT_EQ(list["front_ends"][0]["name"], "fuse");
    EXPECT_EQ(list["faults"][0]["name"], "delay");
}

}  // namespace
}  // namespace reflux::test
