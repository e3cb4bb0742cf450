#include "daemon/fuse/message.h"

#include <cstring>
#include <vector>

#include <fcntl.h>
#include <linux/falloc.h>

#include <gtest/gtest.h>

namespace reflux::fuse {
namespace {

template <class Body>
std::vector<std::byte> message_of(std::uint32_t opcode, const Body& body, std::size_t data = 0) {
    std::vector<std::byte> message(sizeof(fuse_in_header) + sizeof(Body) + data);
    const fuse_in_header header{
        .len = static_cast<std::uint32_t>(message.size()), .opcode = opcode, .unique = 77, .nodeid = 5};
    std::memcpy(message.data(), &header, sizeof(header));
    std::memcpy(message.data() + sizeof(header), &body, sizeof(body));
    return message;
}

TEST(Message, TransfersAreParsed) {
    const auto read = parse_message(message_of(FUSE_READ, fuse_read_in{.offset = 4096, .size = 512}));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->kind, MessageKind::read);
    EXPECT_EQ(read->unique, 77U);
    EXPECT_EQ(read->inode, 5U);
    EXPECT_EQ(read->offset, 4096U);
    EXPECT_EQ(read->size, 512U);
    const auto write = parse_message(message_of(FUSE_WRITE, fuse_write_in{.offset = 8192, .size = 100}, 100));
    ASSERT_TRUE(write);
    EXPECT_EQ(write->kind, MessageKind::write);
    EXPECT_EQ(write->offset, 8192U);
    EXPECT_EQ(write->size, 100U);
    EXPECT_FALSE(write->append);
    const auto append =
        parse_message(message_of(FUSE_WRITE, fuse_write_in{.size = 1, .flags = O_WRONLY | O_APPEND}, 1));
    ASSERT_TRUE(append);
    EXPECT_TRUE(append->append);
    EXPECT_FALSE(append->durable);
    for (const int flag : {O_DSYNC, O_SYNC}) {
        const auto flags = static_cast<std::uint32_t>(O_WRONLY | flag);
        const auto durable =
            parse_message(message_of(FUSE_WRITE, fuse_write_in{.size = 1, .flags = flags}, 1));
        ASSERT_TRUE(durable);
        EXPECT_TRUE(durable->durable);
    }
    const auto fsync = parse_message(message_of(FUSE_FSYNC, fuse_fsync_in{}));
    ASSERT_TRUE(fsync);
    EXPECT_EQ(fsync->kind, MessageKind::fsync);
}

TEST(Message, WhatChangesSizesAndRangesIsParsed) {
    const auto truncate =
        parse_message(message_of(FUSE_SETATTR, fuse_setattr_in{.valid = FATTR_SIZE | FATTR_FH, .size = 12}));
    ASSERT_TRUE(truncate);
    EXPECT_EQ(truncate->kind, MessageKind::truncate);
    EXPECT_EQ(truncate->size, 12U);
    EXPECT_TRUE(truncate->by_handle);
    const auto by_path = parse_message(message_of(FUSE_SETATTR, fuse_setattr_in{.valid = FATTR_SIZE}));
    ASSERT_TRUE(by_path);
    EXPECT_FALSE(by_path->by_handle);
    EXPECT_FALSE(parse_message(message_of(FUSE_SETATTR, fuse_setattr_in{.valid = FATTR_MODE, .size = 12})));
    const auto open = parse_message(message_of(FUSE_OPEN, fuse_open_in{.flags = O_RDWR | O_TRUNC}));
    ASSERT_TRUE(open);
    EXPECT_EQ(open->kind, MessageKind::open_truncated);
    EXPECT_FALSE(parse_message(message_of(FUSE_OPEN, fuse_open_in{.flags = O_RDWR})));
    const auto punch = parse_message(message_of(
        FUSE_FALLOCATE, fuse_fallocate_in{.offset = 1, .length = 2, .mode = FALLOC_FL_PUNCH_HOLE}));
    ASSERT_TRUE(punch);
    EXPECT_EQ(punch->kind, MessageKind::fallocate);
    EXPECT_EQ(punch->offset, 1U);
    EXPECT_EQ(punch->size, 2U);
    EXPECT_EQ(punch->how, static_cast<unsigned>(FALLOC_FL_PUNCH_HOLE));
}

TEST(Message, WhatIsCutOffOrSomethingElseIsNone) {
    const auto write = message_of(FUSE_WRITE, fuse_write_in{.offset = 0, .size = 100}, 100);
    const auto truncate = message_of(FUSE_SETATTR, fuse_setattr_in{.valid = FATTR_SIZE});
    const auto open = message_of(FUSE_OPEN, fuse_open_in{.flags = O_TRUNC});
    const auto punch = message_of(FUSE_FALLOCATE, fuse_fallocate_in{.length = 2});
    for (const auto& whole : {write, truncate, open, punch}) {
        EXPECT_TRUE(parse_message(whole));
        for (std::size_t size = 0; size < whole.size(); ++size) {
            EXPECT_FALSE(parse_message(std::span(whole).first(size))) << size;
        }
    }
    EXPECT_FALSE(parse_message(message_of(FUSE_WRITE, fuse_write_in{.size = 100}, 101)));
    const auto interrupt = message_of(FUSE_INTERRUPT, fuse_interrupt_in{});
    EXPECT_FALSE(parse_message(interrupt));
    EXPECT_TRUE(is_interrupt(interrupt));
    EXPECT_FALSE(is_interrupt(write));
    EXPECT_FALSE(is_interrupt({}));
}

}  // namespace
}  // namespace reflux::fuse
