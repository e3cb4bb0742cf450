// Filesystems on a translated host-managed disk, by FUSE and a loop device. Needs root and /dev/fuse.
#include "backend/base/kernel_file.h"
#include "backend/base/scope_exit.h"
#include "tests/integration/support/refluxd_fixture.h"

#include <filesystem>

#include <sys/mount.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::HasSubstr;
namespace files = std::filesystem;

class RefluxdTranslate : public RefluxdEngines {
  protected:
    void SetUp() override {
        RefluxdEngines::SetUp();
        if (IsSkipped() || HasFatalFailure()) {
            return;
        }
        upper_ = folder_ / "upper";
        files::create_directory(upper_);
    }
    void format_translated(const std::string& size) const {
        format_as({"--size", size, "--zone-size", "4MiB", "--conventional", "8", "--model", "host-managed",
                   "--translate"});
    }
    void mount_upper() const { run_tool({"mount", "-o", "loop", disk(), upper_}); }
    void unmount_upper() const { run_tool({"umount", upper_}); }

    // Files of a stream and of small pieces, overwritten in the middle.
    void work(unsigned round) const {
        for (unsigned i = 0; i < 6; ++i) {
            const std::string path = fmt::format("{}/file{}", upper_, i);
            ASSERT_TRUE(replace_file(path, pattern(3 << 20, round * 10 + i)));
            write_disk(path, static_cast<off_t>(i) * 300000 + 17, overwrite(round, i));
        }
    }
    void expect_work(unsigned round) const {
        for (unsigned i = 0; i < 6; ++i) {
            std::string wanted = pattern(3 << 20, round * 10 + i);
            wanted.replace(i * 300000 + 17, overwrite(round, i).size(), overwrite(round, i));
            EXPECT_TRUE(read_file(fmt::format("{}/file{}", upper_, i)).value_or("") == wanted) << i;
        }
    }
    static std::string overwrite(unsigned round, unsigned i) { return pattern(70001, round * 10 + i + 5); }

    // Made, used, served again and checked.
    void expect_carries(const std::vector<std::string>& mkfs, const std::vector<std::string>& fsck) {
        {
            auto process = serve({"--engine", GetParam()});
            ASSERT_TRUE(process) << process.error().message;
            run_tool(mkfs);
            mount_upper();
            const ScopeExit unmount([&] { ::umount2(upper_.c_str(), MNT_DETACH); });
            ASSERT_NO_FATAL_FAILURE(work(1));
            ASSERT_NO_FATAL_FAILURE(work(2));
            unmount_upper();
            const auto now = status();
            EXPECT_EQ(now["counters"]["errors"], 0);
            EXPECT_EQ(now["translation"]["lower"]["counters"]["errors"], 0) << "the zones' rules were kept";
            EXPECT_GT(now["translation"]["mapped"], 0);
            EXPECT_GT(now["translation"]["reclaim"]["written_bytes"], 0) << now["translation"];
            end_well(*process);
            EXPECT_EQ(process->errors(), "");
        }
        auto process = serve({"--engine", GetParam()});
        ASSERT_TRUE(process) << process.error().message;
        run_tool(fsck);
        mount_upper();
        const ScopeExit unmount([&] { ::umount2(upper_.c_str(), MNT_DETACH); });
        expect_work(2);
        unmount_upper();
        end_well(*process);
    }

    std::string upper_;
};
INSTANTIATE_TEST_SUITE_P(All, RefluxdTranslate, testing::Values("sync", "threads"));

TEST_P(RefluxdTranslate, CarriesExt4) {
    ASSERT_NO_FATAL_FAILURE(format_translated("128MiB"));
    expect_carries({"mkfs.ext4", "-q", disk()}, {"fsck.ext4", "-f", "-n", disk()});
}

TEST_P(RefluxdTranslate, CarriesXfs) {
    ASSERT_NO_FATAL_FAILURE(format_translated("400MiB"));
    expect_carries({"mkfs.xfs", "-q", "-f", disk()}, {"xfs_repair", "-n", "-f", disk()});
}

TEST_P(RefluxdTranslate, WhatWasFlushedSurvivesAKill) {
    ASSERT_NO_FATAL_FAILURE(format_translated("128MiB"));
    const std::string first = pattern(200000, 1);
    const std::string second = pattern(50000, 2);
    {
        auto process = serve({"--engine", GetParam()});
        ASSERT_TRUE(process) << process.error().message;
        write_disk(disk(), 0, first);
        write_disk(disk(), 60 << 20, first);
        write_disk(disk(), 65536 + 7, second);
        ASSERT_TRUE(process->signal(SIGKILL));
        ASSERT_EQ(process->wait(), 128 + SIGKILL);
    }
    ASSERT_EQ(::umount2(mountpoint_.c_str(), MNT_DETACH), 0);
    const auto checked = run_refluxd({"fsck", image_});
    EXPECT_EQ(checked.code, 0) << checked.output;
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    std::string wanted = first;
    wanted.replace(65536 + 7, second.size(), second);
    EXPECT_TRUE(read_disk(disk(), 0, wanted.size()) == wanted);
    EXPECT_TRUE(read_disk(disk(), 60 << 20, first.size()) == first);
    end_well(*process);
}

TEST_P(RefluxdTranslate, StatusNamesItsThreadsAndItsZones) {
    ASSERT_NO_FATAL_FAILURE(format_translated("128MiB"));
    auto process = serve({"--engine", GetParam(), "--threads", "2"});
    ASSERT_TRUE(process) << process.error().message;
    EXPECT_EQ(process->ready()["size"], (32 - 8 - 2) * (4 << 20));
    const auto now = status();
    std::vector<std::string> roles;
    for (const auto& thread : now["threads"]) {
        roles.push_back(thread["role"]);
    }
    EXPECT_THAT(roles, testing::Contains("reclaim").Times(1));
    EXPECT_THAT(roles, testing::Contains("translation").Times(GetParam() == "sync" ? 0 : 4));
    EXPECT_THAT(roles, testing::Not(testing::Contains("other")));
    EXPECT_EQ(now["translation"]["chunks"], 22);
    EXPECT_EQ(now["translation"]["random_zones"]["free"], 6);
    EXPECT_EQ(now["translation"]["reclaim"]["phase"], "idle");
    end_well(*process);
}

TEST_F(RefluxdTest, FormatSaysWhatTranslationNeeds) {
    expect_refused({"format", folder_ / "small", "--size", "64MiB", "--zone-size", "4MiB", "--conventional",
                    "3", "--model", "host-managed", "--translate"},
                   2, "this disk needs 4 at least");
    expect_refused({"format", folder_ / "small", "--size", "1GiB", "--translate"}, 2, "host-aware");
}

}  // namespace
}  // namespace reflux::test
