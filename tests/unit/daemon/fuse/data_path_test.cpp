// Messages as they are answered, without a kernel: a socket stands for /dev/fuse.
#include "daemon/fuse/data_path.h"

#include "tests/support/count_allocations.h"
#include "tests/support/temporary_folder.h"

#include <array>
#include <cstring>

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/socket.h>

#include <gtest/gtest.h>

namespace reflux::fuse {
namespace {

constexpr std::uint64_t zone_size = 64 << 10;
constexpr std::uint64_t length = 4096;
constexpr Inode conventional = first_zone_inode;
constexpr Inode sequential = first_zone_inode + 1;

// What the kernel would get.
struct Answer {
    fuse_out_header header{};
    std::array<std::byte, 8192> body{};

    [[nodiscard]] std::size_t body_size() const { return header.len - sizeof(header); }
    template <class Body>
    [[nodiscard]] Body as() const {
        Body value;
        EXPECT_EQ(body_size(), sizeof(Body));
        std::memcpy(&value, body.data(), sizeof(Body));
        return value;
    }
};

class DataPath : public testing::Test {
  protected:
    void SetUp() override {
        const auto geometry = ZonedGeometry::make({.size = {4 * zone_size},
                                                   .zone_size = {zone_size},
                                                   .conventional = 1,
                                                   .model = ZoneModel::host_managed})
                                  .value();
        ASSERT_TRUE(format_image(folder_ / "image", geometry, false));
        device_ = ZonedDevice::open(folder_ / "image", {}).value();
        view_.emplace(View{.tree = {.disk_size = device_->size(), .conventional = 1, .sequential = 3},
                           .disk = *device_,
                           .zones = *device_});
        pool_ = RequestPool::make(1, 2 * length).value();
        std::array<int, 2> ends{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
        ours_ = UniqueFd(ends[0]);
        kernels_ = UniqueFd(ends[1]);
    }

    // The engine is inline: the answer is there when it has been served.
    const Answer& serve(Message message, std::byte fill = {}) {
        message.unique = ++unique_;
        EXPECT_TRUE(is_served(*view_, message));
        FuseRequest& request = pool_->take();
        std::ranges::fill(request.data, fill);
        serve_message(*view_, ours_.get(), request, message);
        const ssize_t n = ::recv(kernels_.get(), &answer_, sizeof(answer_), MSG_DONTWAIT);
        EXPECT_EQ(n, static_cast<ssize_t>(answer_.header.len));
        EXPECT_EQ(answer_.header.unique, unique_);
        return answer_;
    }
    static Message append() {
        return {.kind = MessageKind::write, .inode = sequential, .size = length, .append = true};
    }
    static Message truncate(std::uint64_t size) {
        return {.kind = MessageKind::truncate, .inode = sequential, .size = size};
    }
    static Message read(Inode inode, std::uint64_t offset) {
        return {.kind = MessageKind::read, .inode = inode, .offset = offset, .size = length};
    }

    test::TemporaryFolder folder_;
    std::unique_ptr<ZonedDevice> device_;
    std::optional<View> view_;
    std::unique_ptr<RequestPool> pool_;
    UniqueFd ours_;
    UniqueFd kernels_;
    std::uint64_t unique_ = 0;
    Answer answer_;
};

TEST_F(DataPath, AnswersWithDataSizesAndAttributes) {
    EXPECT_EQ(serve(append(), std::byte{7}).as<fuse_write_out>().size, length);
    const Answer& data = serve(read(sequential, 0));
    EXPECT_EQ(data.body_size(), length);
    EXPECT_EQ(data.body.at(length - 1), std::byte{7});
    EXPECT_EQ(serve(read(sequential, length)).body_size(), 0U) << "its end";
    const auto full = serve(truncate(zone_size)).as<fuse_attr_out>();
    EXPECT_EQ(full.attr.size, zone_size);
    EXPECT_EQ(full.attr.mode, S_IFREG | 0600U);
    EXPECT_EQ(full.attr.ino, sequential);
    EXPECT_EQ(full.attr_valid, 0U) << "not to be kept";
    EXPECT_EQ(serve(append()).header.error, -EFBIG);
    EXPECT_EQ(
        serve({.kind = MessageKind::open_truncated, .inode = sequential}).as<fuse_open_out>().open_flags,
        static_cast<unsigned>(FOPEN_DIRECT_IO));
    EXPECT_EQ(view_->attributes(sequential)->st_size, 0);
    EXPECT_EQ(serve(truncate(0)).as<fuse_attr_out>().attr.size, 0U) << "there is nothing to do";
    EXPECT_EQ(serve({.kind = MessageKind::fsync, .inode = sequential}).body_size(), 0U);
    EXPECT_EQ(serve({.kind = MessageKind::read, .inode = disk_inode, .size = 3 * length}).header.error,
              -EINVAL)
        << "more than it was told";
}

// The kernel sends no fsync after it.
TEST_F(DataPath, AnswersADurableWriteWhenItIsFlushed) {
    Message message = append();
    EXPECT_EQ(serve(message).as<fuse_write_out>().size, length);
    EXPECT_EQ(device_->counters().flushes, 0U);
    message.durable = true;
    EXPECT_EQ(serve(message, std::byte{9}).as<fuse_write_out>().size, length);
    EXPECT_EQ(device_->counters().flushes, 1U);
    EXPECT_EQ(serve(read(sequential, length)).body.at(length - 1), std::byte{9});
    EXPECT_EQ(
        serve({.kind = MessageKind::write, .inode = disk_inode, .offset = 512, .size = 512, .durable = true})
            .as<fuse_write_out>()
            .size,
        512U);
    EXPECT_EQ(device_->counters().flushes, 2U);
    ASSERT_TRUE(device_->faults().set("error", {"error=EIO", "operations=flush", "count=1"}));
    EXPECT_EQ(serve(message).header.error, -EIO) << "written, not flushed";
    EXPECT_EQ(device_->counters().flushes, 3U);
    EXPECT_EQ(serve(read(sequential, 0)).body_size(), length) << "the request is none of a durable write";
    EXPECT_EQ(device_->counters().flushes, 3U);
}

TEST_F(DataPath, LeavesToLibfuseWhatAsksNothingOfTheDisk) {
    EXPECT_FALSE(is_served(*view_, {.kind = MessageKind::truncate, .inode = disk_inode}));
    EXPECT_FALSE(is_served(*view_, {.kind = MessageKind::open_truncated, .inode = disk_inode}));
    EXPECT_FALSE(is_served(*view_, {.kind = MessageKind::fallocate, .inode = sequential}));
    EXPECT_FALSE(is_served(*view_, {.kind = MessageKind::read, .inode = report_inode}));
    EXPECT_FALSE(is_served(*view_, {.kind = MessageKind::fsync, .inode = root_inode}));
    EXPECT_FALSE(is_served(*view_, {.kind = MessageKind::read, .inode = sequential + 3}));
}

TEST_F(DataPath, AllocatesNothing) {
    if (!test::counts_allocations) {
        GTEST_SKIP() << "a sanitizer brings an allocator of its own";
    }
    const Message punch{.kind = MessageKind::fallocate,
                        .inode = disk_inode,
                        .size = length,
                        .how = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE};
    serve(append());
    const auto before = test::allocations.load();
    std::uint64_t failed = 0;
    for (unsigned round = 0; round < 20; ++round) {
        for (std::uint64_t offset = length; offset < zone_size; offset += length) {
            failed += serve(append()).header.error == 0 ? 0 : 1;
            failed += serve(read(sequential, offset)).body_size() == length ? 0 : 1;
            failed += serve(read(conventional, offset)).body_size() == length ? 0 : 1;
            failed += serve(read(disk_inode, offset)).body_size() == length ? 0 : 1;
        }
        failed += serve(append()).header.error == -EFBIG ? 0 : 1;
        failed += serve(punch).header.error == 0 ? 0 : 1;
        failed += serve(truncate(round % 2 == 0 ? 0 : length)).header.error == 0 ? 0 : 1;
        failed += serve({.kind = MessageKind::open_truncated, .inode = sequential}).header.error == 0 ? 0 : 1;
        failed += serve(append()).header.error == 0 ? 0 : 1;
    }
    EXPECT_EQ(test::allocations.load() - before, 0U);
    EXPECT_EQ(failed, 10U) << "the truncates to a size between";
}

}  // namespace
}  // namespace reflux::fuse
