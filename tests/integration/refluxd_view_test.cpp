// What refluxd shows beside the data: reports, a million zones, worn ones, and that holes can be made. Needs
// root and /dev/fuse.
#include "backend/base/kernel_file.h"
#include "tests/integration/support/file_calls.h"
#include "tests/integration/support/refluxd_fixture.h"
#include "tests/support/sanitizer.h"

#include <algorithm>
#include <memory>

#include <dirent.h>
#include <sys/statvfs.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::HasSubstr;

constexpr off_t zone_size = 1 << 20;
const std::vector<std::string> host_managed{"--size", "16MiB",   "--zone-size",
                                            "1MiB",   "--model", "host-managed"};

// VmHWM: the most memory that the process has held, in KiB.
std::uint64_t peak_kib(pid_t pid) {
    const auto text = read_file(fmt::format("/proc/{}/status", pid)).value_or("");
    return std::stoull(text.substr(text.find("VmHWM:") + 6));
}

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;
Directory open_directory(const std::string& path) {
    return {::opendir(path.c_str()), ::closedir};
}

TEST_F(RefluxdTest, ReportsAreWhatReportSaysOfTheImage) {
    ASSERT_NO_FATAL_FAILURE(format_as(host_managed));
    std::string text;
    std::string json;
    {
        auto process = serve();
        ASSERT_TRUE(process) << process.error().message;
        ASSERT_EQ(append_to(seq(3), pattern(8192, 1)), 8192);
        ASSERT_EQ(truncate_to(seq(4), zone_size), 0);
        text = read_file(mountpoint_ + "/report").value_or("");
        json = read_file(mountpoint_ + "/report.json").value_or("");
        EXPECT_EQ(nlohmann::json::parse(json, nullptr, false)["zones"], ask("zones"));
        EXPECT_EQ(open_with(mountpoint_ + "/report", O_WRONLY), -EPERM);
        EXPECT_EQ(mode_of(mountpoint_ + "/report"), 0400U);
        end_well(*process);
    }
    // All but the state: in use then, closed now; an open zone is closed by the end.
    const auto now = run_refluxd({"report", image_}).output;
    const auto is_same = [](std::string served, std::string later) {
        const auto replace = [](std::string& in, std::string_view what, std::string_view by) {
            if (const auto at = in.find(what); at != std::string::npos) {
                in.replace(at, what.size(), by);
            }
        };
        replace(served, "in use", "closed properly");
        replace(served, R"("in_use":true)", R"("in_use":false)");
        replace(served, "implicit_open", "closed");
        return served == later;
    };
    EXPECT_TRUE(is_same(text, now)) << text << now;
    const auto json_now = run_refluxd({"report", "--json", image_}).output;
    EXPECT_TRUE(is_same(json, json_now)) << json << json_now;
}

// At an ENOSYS for one file's fsync the kernel would never send one again for any.
TEST_F(RefluxdTest, AnFsyncOfAReportDoesNotSwitchOffThoseOfTheDisk) {
    auto process = serve();
    ASSERT_TRUE(process) << process.error().message;
    const UniqueFd report(::open((mountpoint_ + "/report").c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(::fsync(report.get()), 0);
    EXPECT_LT(::fallocate(UniqueFd(::open(seq(0).c_str(), O_RDWR)).get(), 0, 0, 4096), 0);
    EXPECT_EQ(errno, EOPNOTSUPP);
    write_disk(disk(), 0, pattern(4096, 1));
    EXPECT_EQ(status()["counters"]["flushes"], 1);
    const UniqueFd file(::open(disk().c_str(), O_RDWR | O_CLOEXEC));
    EXPECT_EQ(::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
    end_well(*process);
}

TEST_F(RefluxdTest, AMillionZonesAreListedFromAnyPlaceWithoutHoldingThem) {
    REFLUX_NOT_SANITIZED();
    constexpr std::uint64_t zones = 1'000'000;
    ASSERT_NO_FATAL_FAILURE(format_as({"--size", fmt::format("{}KiB", zones * 64), "--zone-size", "64KiB",
                                       "--conventional", "10", "--model", "host-managed"}));
    auto process = serve();
    ASSERT_TRUE(process) << process.error().message;
    const std::uint64_t before = peak_kib(process->pid());
    const auto directory = open_directory(mountpoint_ + "/zones/seq");
    ASSERT_TRUE(directory);
    std::vector<bool> seen(zones - 10);
    long middle = 0;
    std::string after_middle;
    std::uint64_t count = 0;
    for (const dirent* entry = ::readdir(directory.get()); entry != nullptr;
         entry = ::readdir(directory.get())) {
        const std::string name = static_cast<const char*>(entry->d_name);
        after_middle = count == 500'001 ? name : after_middle;
        if (++count == 500'001) {
            middle = ::telldir(directory.get());
        }
        if (name != "." && name != "..") {
            ASSERT_EQ(entry->d_type, DT_REG);
            ASSERT_FALSE(seen.at(std::stoul(name)));
            seen[std::stoul(name)] = true;
        }
    }
    EXPECT_EQ(count, zones - 10 + 2);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), true), static_cast<long>(zones - 10));
    ::seekdir(directory.get(), middle);
    const dirent* const again = ::readdir(directory.get());
    ASSERT_NE(again, nullptr);
    EXPECT_EQ(static_cast<const char*>(again->d_name), after_middle);

    EXPECT_EQ(append_to(seq(999'989), pattern(4096, 1)), 4096);
    EXPECT_EQ(size_of(seq(999'989)), 4096);
    EXPECT_EQ(size_of(seq(999'990)), -ENOENT);
    struct statvfs space {};
    ASSERT_EQ(::statvfs(mountpoint_.c_str(), &space), 0);
    EXPECT_EQ(space.f_files, zones + 7);
    EXPECT_EQ(space.f_blocks, zones * 16);
    EXPECT_EQ(space.f_bfree, (zones - 10) * 16 - 1);
    const UniqueFd report(::open((mountpoint_ + "/report").c_str(), O_RDONLY | O_CLOEXEC));
    std::string piece(1 << 20, '\0');
    std::uint64_t lines = 0;
    ssize_t n = 0;
    while ((n = ::read(report.get(), piece.data(), piece.size())) > 0) {
        lines += static_cast<std::uint64_t>(std::count(piece.begin(), piece.begin() + n, '\n'));
    }
    EXPECT_EQ(n, 0);
    EXPECT_EQ(lines, zones + 3);
    EXPECT_LT(peak_kib(process->pid()) - before, 6U << 10U) << "a million names are 6 MiB at least";
    end_well(*process);
}

TEST_P(RefluxdEngines, WornZonesAreReadOnlyOrOffline) {
    ASSERT_NO_FATAL_FAILURE(format_as(host_managed));
    const std::string data = pattern(4096, 2);
    {
        auto process = serve({"--engine", GetParam()});
        ASSERT_TRUE(process) << process.error().message;
        ASSERT_EQ(append_to(seq(1), data), 4096);
        const UniqueFd file(::open(seq(1).c_str(), O_RDWR | O_CLOEXEC | O_APPEND));
        EXPECT_EQ(ask("zone 5 read_only")["condition"], "read_only");
        EXPECT_EQ(mode_of(seq(1)), 0400U);
        EXPECT_EQ(answer_of(::write(file.get(), data.data(), data.size())), -EIO);
        EXPECT_EQ(open_with(seq(1), O_WRONLY), -EPERM) << "for root too, as immutable files of zonefs";
        EXPECT_EQ(truncate_to(seq(1), 0), -EPERM);
        EXPECT_EQ(size_of(seq(1)), 4096);
        EXPECT_TRUE(read_disk(seq(1), 0, 8192) == data);
        EXPECT_EQ(write_at(disk(), 5 * zone_size + 4096, data), -EIO);
        EXPECT_EQ(ask("zone 2 read_only")["condition"], "read_only");
        EXPECT_EQ(write_at(disk(), 2 * zone_size, data), -EIO);
        EXPECT_EQ(mode_of(cnv(2)), 0400U);
        write_disk(disk(), 0, data);  // and an fsync
        ASSERT_TRUE(process->signal(SIGKILL));
        ASSERT_EQ(process->wait(), 128 + SIGKILL);
    }
    detach_mount(mountpoint_);
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    EXPECT_EQ(mode_of(seq(1)), 0400U) << "flushed, it stays so";
    EXPECT_EQ(ask("zone 5 offline")["condition"], "offline");
    EXPECT_EQ(mode_of(seq(1)), 0U);
    EXPECT_EQ(size_of(seq(1)), 0);
    const UniqueFd file(::open(seq(1).c_str(), O_RDONLY | O_CLOEXEC));  // root may
    std::string buffer(4096, '\0');
    EXPECT_EQ(answer_of(::read(file.get(), buffer.data(), buffer.size())), -EPERM);
    EXPECT_EQ(read_disk(disk(), 5 * zone_size, 4096), "");
    EXPECT_EQ(ask("zone 5 read_only")["error"], "zone 5: the zone is offline");
    EXPECT_EQ(ask("status")["zones"]["offline"], 1);
    end_well(*process);
}
INSTANTIATE_TEST_SUITE_P(All, RefluxdEngines, testing::Values("sync", "threads", "uring"));

class RefluxdHoles : public RefluxdEngines {
  protected:
    [[nodiscard]] ssize_t fallocate(int how, off_t offset, off_t length) const {
        const UniqueFd file(::open(disk().c_str(), O_RDWR | O_CLOEXEC));
        return answer_of(::fallocate(file.get(), how, offset, length));
    }
    // Of the image, which is sparse.
    [[nodiscard]] blkcnt_t image_blocks() const {
        struct stat status {};
        return ::stat(image_.c_str(), &status) == 0 ? status.st_blocks : -1;
    }
    // Where the range of the disk may be discarded: it is, with what no block is whole of; not more.
    void expect_holes(off_t offset) {
        const std::string data = pattern(1 << 20, 3);
        write_disk(disk(), offset, data);
        ASSERT_EQ(fallocate(punch, offset + 5000, 300000), 0);
        ASSERT_EQ(fallocate(FALLOC_FL_ZERO_RANGE, offset + 400000, 100), 0);
        ASSERT_EQ(fallocate(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset + 500000, 200000), 0);
        std::string wanted = data;
        wanted.replace(5000, 300000, 300000, '\0');
        wanted.replace(400000, 100, 100, '\0');
        wanted.replace(500000, 200000, 200000, '\0');
        EXPECT_TRUE(read_disk(disk(), offset, data.size()) == wanted);
        EXPECT_EQ(status()["counters"]["discards"], 3);
        EXPECT_EQ(status()["counters"]["errors"], 0);
        EXPECT_EQ(fallocate(0, offset, 4096), -EOPNOTSUPP) << "to reserve room is nothing that disks do";
        EXPECT_EQ(fallocate(FALLOC_FL_KEEP_SIZE, offset, 4096), -EOPNOTSUPP);
        EXPECT_TRUE(read_disk(disk(), offset, data.size()) == wanted);
    }

    static constexpr int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
};
INSTANTIATE_TEST_SUITE_P(All, RefluxdHoles, testing::Values("sync", "threads", "uring"));

TEST_P(RefluxdHoles, AreMadeWhereAZoneCanBeWrittenAnywhere) {
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    expect_holes(3 * zone_size + 100 * 4096);  // conventional and, from 4 MiB on, sequential-write-preferred
    EXPECT_EQ(ask("zones")[4]["write_pointer"], 4 * zone_size + 100 * 4096) << "no state changes by it";
    write_disk(disk(), 0, pattern(2 << 20, 4));
    const blkcnt_t before = image_blocks();
    ASSERT_EQ(fallocate(punch, 0, 2 << 20), 0);
    EXPECT_LE(image_blocks(), before - (2 << 20) / 512) << "the room is given back";
    end_well(*process);
}

TEST_P(RefluxdHoles, AreRefusedWhereOnlyAResetTakesDataBack) {
    ASSERT_NO_FATAL_FAILURE(format_as(host_managed));
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    const std::string data = pattern(8192, 5);
    write_disk(disk(), 4 * zone_size, data);
    write_disk(disk(), 4 * zone_size - 8192, data);
    for (const int how : {punch, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE}) {
        EXPECT_EQ(fallocate(how, 4 * zone_size, 4096), -EOPNOTSUPP);
        EXPECT_EQ(fallocate(how, 4 * zone_size - 4096, 8192), -EOPNOTSUPP) << "a part of it would be";
    }
    EXPECT_TRUE(read_disk(disk(), 4 * zone_size - 8192, 8192) == data);
    EXPECT_TRUE(read_disk(disk(), 4 * zone_size, 8192) == data);
    EXPECT_EQ(fallocate(punch, 4 * zone_size - 8192, 8192), 0) << "conventional";
    EXPECT_TRUE(read_disk(disk(), 4 * zone_size - 8192, 8192) == std::string(8192, '\0'));
    EXPECT_TRUE(read_disk(disk(), 4 * zone_size, 8192) == data);
    end_well(*process);
    EXPECT_EQ(process->errors(), "");
}

TEST_P(RefluxdHoles, AreMadeOnATranslatedDiskWhichShowsNoZones) {
    ASSERT_NO_FATAL_FAILURE(format_as({"--size", "64MiB", "--zone-size", "4MiB", "--conventional", "4",
                                       "--model", "host-managed", "--translate"}));
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    EXPECT_THAT(list_directory(mountpoint_).value(),
                testing::UnorderedElementsAre("disk", "report", "report.json"));
    EXPECT_EQ(size_of(mountpoint_ + "/zones"), -ENOENT);
    EXPECT_THAT(read_file(mountpoint_ + "/report").value_or(""), HasSubstr("translated"));
    const auto report =
        nlohmann::json::parse(read_file(mountpoint_ + "/report.json").value_or(""), nullptr, false);
    EXPECT_EQ(report["translated"], true);
    EXPECT_EQ(report["zones"].size(), 16U);
    expect_holes((4 << 20) - (300 << 10));  // over the border of two chunks
    const std::uint64_t mapped = status()["translation"]["mapped"];
    EXPECT_GT(mapped, 0U);
    ASSERT_EQ(fallocate(punch, 0, 64 << 20), 0) << "what is behind its end is left out";
    EXPECT_EQ(status()["translation"]["mapped"], 0);
    EXPECT_TRUE(read_disk(disk(), 4 << 20, 65536) == std::string(65536, '\0'));
    end_well(*process);
}

}  // namespace
}  // namespace reflux::test
