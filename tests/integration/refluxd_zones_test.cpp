// Zones as files, as zonefs has them, with real I/O on the real kernel. Needs root and /dev/fuse.
#include "backend/base/kernel_file.h"
#include "tests/integration/support/file_calls.h"
#include "tests/integration/support/refluxd_fixture.h"

#include <atomic>
#include <thread>

#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

constexpr off_t zone_size = 1 << 20;
constexpr off_t capacity = 768 << 10;
constexpr off_t first_sequential = 4 * zone_size;

class RefluxdZones : public RefluxdEngines {
  protected:
    void SetUp() override {
        RefluxdEngines::SetUp();
        if (!IsSkipped() && !HasFatalFailure()) {
            format_as({"--size", "16MiB", "--zone-size", "1MiB", "--model", "host-managed", "--zone-capacity",
                       "768KiB"});
        }
    }
    [[nodiscard]] std::string condition_of(unsigned sequential) const {
        return ask("zones")[4 + sequential]["condition"];
    }
};
INSTANTIATE_TEST_SUITE_P(All, RefluxdZones, testing::Values("sync", "threads", "uring"));

TEST_P(RefluxdZones, AreListedByTheirKinds) {
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    EXPECT_THAT(list_directory(mountpoint_ + "/zones").value(), testing::UnorderedElementsAre("cnv", "seq"));
    EXPECT_THAT(list_directory(mountpoint_ + "/zones/cnv").value(),
                testing::UnorderedElementsAre("0", "1", "2", "3"));
    EXPECT_EQ(list_directory(mountpoint_ + "/zones/seq").value().size(), 12U);
    EXPECT_EQ(size_of(mountpoint_ + "/zones/seq"), 12);
    EXPECT_EQ(size_of(cnv(3)), zone_size);
    EXPECT_EQ(size_of(cnv(4)), -ENOENT);
    EXPECT_EQ(size_of(seq(11)), 0);
    EXPECT_EQ(size_of(seq(12)), -ENOENT);
    EXPECT_EQ(run_tool({"stat", "-c", "%b %a", seq(0)}), fmt::format("{} 600", capacity / 512));
    EXPECT_EQ(open_with(mountpoint_ + "/zones/seq/12", O_WRONLY | O_CREAT), -EROFS);
    EXPECT_EQ(answer_of(::unlink(seq(0).c_str())), -EROFS);
    EXPECT_EQ(answer_of(::chmod(seq(0).c_str(), 0666)), -EPERM);
    end_well(*process);
}

TEST_P(RefluxdZones, AConventionalOneIsAFileOfFixedSize) {
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    const std::string data = pattern(10000, 1);
    EXPECT_EQ(write_at(cnv(1), 777, data), 10000);
    EXPECT_TRUE(read_disk(cnv(1), 777, data.size()) == data);
    EXPECT_TRUE(read_disk(disk(), zone_size + 777, data.size()) == data) << "the same bytes";
    EXPECT_EQ(write_at(cnv(1), zone_size - 100, data), 100) << "short, at its end";
    EXPECT_EQ(read_disk(disk(), 2 * zone_size, 8), std::string(8, '\0')) << "not in the next zone";
    EXPECT_EQ(write_at(cnv(1), zone_size, data), -EFBIG);
    EXPECT_EQ(append_to(cnv(1), data), -EINVAL);
    EXPECT_EQ(truncate_to(cnv(1), 0), -EPERM);
    EXPECT_EQ(open_with(cnv(1), O_WRONLY | O_TRUNC), -EPERM);
    EXPECT_TRUE(read_disk(cnv(1), 777, data.size()) == data);
    end_well(*process);
}

TEST_P(RefluxdZones, ASequentialOneIsWrittenAtItsEndOnly) {
    const std::string first = pattern(4096, 1);
    const std::string second = pattern(8192, 2);
    {
        auto process = serve({"--engine", GetParam()});
        ASSERT_TRUE(process) << process.error().message;
        EXPECT_EQ(write_at(seq(0), 512, first), -EINVAL) << "beyond the write pointer";
        EXPECT_EQ(write_at(seq(0), 0, first), 4096);
        EXPECT_EQ(size_of(seq(0)), 4096);
        EXPECT_EQ(write_at(seq(0), 0, first), -EINVAL) << "before it";
        EXPECT_EQ(write_at(seq(0), 4096, first.substr(0, 100)), -EINVAL) << "no whole block";
        EXPECT_EQ(append_to(seq(0), second), 8192);
        EXPECT_EQ(size_of(seq(0)), 12288);
        EXPECT_TRUE(read_disk(seq(0), 0, 65536) == first + second) << "and no more";
        EXPECT_TRUE(read_disk(disk(), first_sequential, 12288) == first + second);
        write_disk(seq(1), 0, first);  // ends in an fsync
        EXPECT_EQ(status()["counters"]["flushes"], 1);
        EXPECT_EQ(status()["counters"]["appends"], 1);
        end_well(*process);
    }
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    EXPECT_TRUE(read_disk(seq(0), 0, 65536) == first + second);
    EXPECT_EQ(append_to(seq(0), first), 4096);
    EXPECT_EQ(size_of(seq(0)), 16384);
    end_well(*process);
}

// One asynchronous write by O_DIRECT (aio(7)); its answer.
ssize_t write_async(int fd, off_t offset, std::string_view data) {
    aio_context_t context = 0;
    if (::syscall(SYS_io_setup, 1, &context) != 0) {
        return -errno;
    }
    iocb block{};
    block.aio_fildes = static_cast<std::uint32_t>(fd);
    block.aio_lio_opcode = IOCB_CMD_PWRITE;
    block.aio_buf = reinterpret_cast<std::uint64_t>(data.data());  // NOLINT(*-reinterpret-cast)
    block.aio_nbytes = data.size();
    block.aio_offset = offset;
    iocb* blocks = &block;
    io_event event{};
    timespec longest{.tv_sec = 20, .tv_nsec = 0};
    const bool is_done = ::syscall(SYS_io_submit, context, 1, &blocks) == 1 &&
                         ::syscall(SYS_io_getevents, context, 1, 1, &event, &longest) == 1;
    ::syscall(SYS_io_destroy, context);
    return is_done ? static_cast<ssize_t>(event.res) : -ETIMEDOUT;
}

// The kernel truncates the file to the size that it remembers then, here 0.
TEST_P(RefluxdZones, AFailedAsynchronousWriteResetsNothing) {
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    const std::string data = pattern(4096, 3);
    const UniqueFd file(::open(seq(2).c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
    ASSERT_TRUE(file);
    ASSERT_EQ(write_at(disk(), first_sequential + 2 * zone_size, data), 4096);
    EXPECT_EQ(write_async(file.get(), 0, data), -EINVAL) << "behind the write pointer";
    EXPECT_EQ(size_of(seq(2)), 4096);
    EXPECT_TRUE(read_disk(seq(2), 0, 8192) == data);
    EXPECT_EQ(status()["counters"]["zone_resets"], 0);
    end_well(*process);
}

TEST_P(RefluxdZones, SynchronousWritesAreFlushed) {
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    const std::string data = pattern(4096, 3);
    const std::uint64_t before = status()["counters"]["flushes"];
    EXPECT_EQ(write_at(seq(2), 0, data), 4096);
    EXPECT_EQ(status()["counters"]["flushes"], before);
    EXPECT_EQ(write_at(seq(2), 4096, data, O_SYNC), 4096);
    EXPECT_EQ(status()["counters"]["flushes"], before + 1);
    EXPECT_EQ(write_at(disk(), 0, data, O_DSYNC), 4096);
    EXPECT_EQ(status()["counters"]["flushes"], before + 2);
    // More than there are I/O threads: each goes to the disk again while the others are there.
    std::vector<std::jthread> writers;
    std::atomic<int> failed = 0;
    for (int writer = 0; writer < 16; ++writer) {
        writers.emplace_back([&, writer] {
            for (int i = 0; i < 20; ++i) {
                failed += write_at(disk(), writer * 4096, data, O_DSYNC) == 4096 ? 0 : 1;
            }
        });
    }
    writers.clear();
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(status()["counters"]["flushes"], before + 2 + 16 * 20);
    end_well(*process);
}

TEST_P(RefluxdZones, TruncatesAreResetAndFinish) {
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    const std::string data = pattern(8192, 3);
    ASSERT_EQ(append_to(seq(2), data), 8192);
    EXPECT_EQ(truncate_to(seq(2), 4096), -EPERM);
    EXPECT_EQ(truncate_to(seq(2), capacity + 512), -EPERM);
    EXPECT_EQ(size_of(seq(2)), 8192);
    {
        const UniqueFd file(::open(seq(2).c_str(), O_WRONLY | O_CLOEXEC));
        EXPECT_EQ(answer_of(::ftruncate(file.get(), 0)), -EPERM) << "the kernel's own looks the same";
        EXPECT_EQ(answer_of(::ftruncate(file.get(), capacity)), -EPERM);
        EXPECT_EQ(size_of(seq(2)), 8192);
    }
    EXPECT_EQ(truncate_to(seq(2), 0), 0);
    EXPECT_EQ(size_of(seq(2)), 0);
    EXPECT_EQ(condition_of(2), "empty");
    EXPECT_EQ(read_disk(seq(2), 0, 4096), "");
    EXPECT_EQ(truncate_to(seq(2), 0), 0) << "it is";
    ASSERT_EQ(append_to(seq(2), data), 8192);
    EXPECT_EQ(truncate_to(seq(2), capacity), 0);
    EXPECT_EQ(size_of(seq(2)), capacity);
    EXPECT_EQ(condition_of(2), "full");
    EXPECT_TRUE(read_disk(seq(2), 0, 16384) == data + std::string(8192, '\0'));
    EXPECT_EQ(append_to(seq(2), data), -EFBIG);
    EXPECT_EQ(write_at(seq(2), capacity, data), -EFBIG);
    EXPECT_EQ(open_with(seq(2), O_WRONLY | O_TRUNC), 0);
    EXPECT_EQ(size_of(seq(2)), 0);
    EXPECT_EQ(condition_of(2), "empty");
    const auto counters = status()["counters"];
    EXPECT_EQ(counters["zone_resets"], 2);
    EXPECT_EQ(counters["zone_finishes"], 1);
    EXPECT_EQ(counters["errors"], 0) << "what a file refuses never came to the disk";
    EXPECT_GT(counters["zone_reports"], 0);
    end_well(*process);
    EXPECT_EQ(process->errors(), "");
}

TEST_P(RefluxdZones, AFullOneEndsAtItsCapacity) {
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    const std::string data = pattern(zone_size, 4);
    EXPECT_EQ(write_at(seq(3), 0, data), capacity) << "short";
    EXPECT_EQ(condition_of(3), "full");
    EXPECT_TRUE(read_disk(seq(3), 0, zone_size) == data.substr(0, capacity));
    EXPECT_EQ(read_disk(seq(3), capacity, 1), "");
    EXPECT_EQ(write_at(seq(3), 0, data), -EINVAL);
    EXPECT_EQ(append_to(seq(3), data), -EFBIG);
    EXPECT_EQ(size_of(seq(4)), 0) << "nothing ran over";
    end_well(*process);
}

// What is written by another door is seen at once: the kernel keeps no size of a zone's file.
TEST_P(RefluxdZones, SizesAreNeverStale) {
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    const UniqueFd file(::open(seq(5).c_str(), O_RDWR | O_CLOEXEC | O_APPEND));
    ASSERT_TRUE(file);
    for (off_t written = 0; written < 5 * 4096; written += 4096) {
        EXPECT_EQ(size_of(seq(5)), written);
        EXPECT_EQ(::lseek(file.get(), 0, SEEK_END), written);
        ASSERT_EQ(write_at(disk(), first_sequential + 5 * zone_size + written, pattern(4096, 5)), 4096);
    }
    ASSERT_EQ(write_at(disk(), first_sequential + 5 * zone_size + 5 * 4096, pattern(4096, 6)), 4096);
    EXPECT_EQ(answer_of(::write(file.get(), pattern(4096, 7).data(), 4096)), 4096)
        << "an append goes to the write pointer, not to where the kernel believes the end";
    EXPECT_TRUE(read_disk(seq(5), 6 * 4096, 4096) == pattern(4096, 7));
    ASSERT_TRUE(ask("zone 9 read_only").is_object());
    EXPECT_EQ(mode_of(seq(5)), 0400U);
    end_well(*process);
}

TEST_P(RefluxdZones, AppendsOfManyWritersAllFindTheirPlace) {
    auto process = serve({"--engine", GetParam(), "--threads", "3"});
    ASSERT_TRUE(process) << process.error().message;
    constexpr unsigned writers = 4;
    constexpr unsigned each = 40;
    {
        std::vector<std::jthread> threads;
        for (unsigned writer = 0; writer < writers; ++writer) {
            threads.emplace_back([this, writer] {
                for (unsigned i = 0; i < each; ++i) {
                    EXPECT_EQ(append_to(seq(6), std::string(4096, static_cast<char>('a' + writer))), 4096);
                }
            });
        }
    }
    const std::string all = read_disk(seq(6), 0, zone_size);
    ASSERT_EQ(all.size(), writers * each * 4096U);
    std::vector<unsigned> found(writers);
    for (std::size_t at = 0; at < all.size(); at += 4096) {
        const auto writer = static_cast<std::size_t>(all[at] - 'a');
        ASSERT_LT(writer, writers);
        EXPECT_TRUE(all.substr(at, 4096) == std::string(4096, all[at])) << "torn at " << at;
        ++found[writer];
    }
    EXPECT_THAT(found, testing::Each(each));
    end_well(*process);
}

// A write that the kernel must cut, from memory that begins inside of a page: each part is short, none
// refused.
TEST_P(RefluxdZones, TakesLargeWritesFromUnalignedMemory) {
    ASSERT_NO_FATAL_FAILURE(format_as(
        {"--size", "16MiB", "--zone-size", "4MiB", "--conventional", "1", "--model", "host-managed"}));
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    const std::string data = pattern(3 << 20, 8);
    std::vector<char> memory(data.size() + 8192);
    char* const unaligned =
        memory.data() + 4096 - reinterpret_cast<std::uintptr_t>(memory.data()) % 4096 + 13;
    std::copy(data.begin(), data.end(), unaligned);
    const UniqueFd file(::open(seq(0).c_str(), O_WRONLY | O_CLOEXEC));
    std::size_t done = 0;
    for (unsigned calls = 0; done < data.size() && calls < 10; ++calls) {
        const ssize_t n = ::write(file.get(), unaligned + done, data.size() - done);
        ASSERT_GT(n, 0) << "after " << done << ": " << std::generic_category().message(errno);
        done += static_cast<std::size_t>(n);
    }
    EXPECT_EQ(done, data.size());
    EXPECT_TRUE(read_disk(seq(0), 0, data.size()) == data);
    end_well(*process);
}

TEST_F(RefluxdTest, OfAHostAwareDiskSequentialZonesAreFilesAsStrict) {
    auto process = serve();
    ASSERT_TRUE(process) << process.error().message;
    const std::string data = pattern(4096, 9);
    EXPECT_EQ(write_at(seq(0), 4096, data), -EINVAL);
    EXPECT_EQ(write_at(seq(0), 0, data), 4096);
    EXPECT_EQ(write_at(disk(), first_sequential + 65536, data), 4096) << "the disk takes it anywhere";
    EXPECT_EQ(size_of(seq(0)), 65536 + 4096);
    EXPECT_EQ(append_to(seq(0), data), 4096);
    EXPECT_EQ(truncate_to(seq(0), zone_size), 0);
    EXPECT_EQ(ask("zones")[4]["condition"], "full");
    EXPECT_EQ(truncate_to(seq(0), 0), 0);
    EXPECT_EQ(ask("zones")[4]["condition"], "empty");
    end_well(*process);
}

TEST_F(RefluxdTest, LimitsOfOpenAndActiveZonesHoldForTheirFiles) {
    const std::vector<std::string> shape{"--size",  "16MiB",        "--zone-size", "1MiB",
                                         "--model", "host-managed", "--max-open",  "1"};
    ASSERT_NO_FATAL_FAILURE(format_as(shape));
    const std::string data = pattern(4096, 10);
    {
        auto process = serve();
        ASSERT_TRUE(process) << process.error().message;
        for (unsigned zone = 0; zone < 6; ++zone) {  // each closes the one before
            EXPECT_EQ(append_to(seq(zone % 3), data), 4096);
        }
        EXPECT_EQ(status()["zones"]["implicit_open"], 1);
        EXPECT_EQ(status()["zones"]["closed"], 2);
        end_well(*process);
    }
    auto limited = shape;
    limited.insert(limited.end(), {"--max-active", "2"});
    ASSERT_NO_FATAL_FAILURE(format_as(limited));
    auto process = serve();
    ASSERT_TRUE(process) << process.error().message;
    EXPECT_EQ(append_to(seq(0), data), 4096);
    EXPECT_EQ(append_to(seq(1), data), 4096);
    EXPECT_EQ(append_to(seq(2), data), -EOVERFLOW) << "as the block layer says it";
    EXPECT_EQ(write_at(seq(2), 0, data), -EOVERFLOW);
    EXPECT_EQ(truncate_to(seq(2), 1 << 20), -EOVERFLOW);
    EXPECT_EQ(truncate_to(seq(0), 1 << 20), 0) << "a full one is not active";
    EXPECT_EQ(append_to(seq(2), data), 4096);
    end_well(*process);
}

}  // namespace
}  // namespace reflux::test
