// What tests of the observers on the real kernel stand on: needs root, loop devices, mkfs.ext4, tracefs and a
// memory cgroup controller. Everything is made in a mount namespace and a folder of the test's own.
#pragma once

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "backend/base/scope_exit.h"
#include "harness/observe/task_stacks.h"
#include "harness/observe/trace.h"
#include "tests/integration/support/frozen_filesystem.h"
#include "tests/integration/support/tools.h"
#include "tests/support/temporary_folder.h"

#include <chrono>
#include <filesystem>
#include <optional>

#include <sys/mount.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::observe {

using test::comes_true;
using test::run_tool;
using testing::HasSubstr;
namespace files = std::filesystem;

inline double monotonic_s() {
    return Seconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Where a group with a memory limit can be made: a v1 hierarchy, or v2 with the controller.
inline std::optional<std::string> memory_hierarchy() {
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

}  // namespace reflux::observe
