// Messages of the FUSE protocol that ask something of the disk, as <linux/fuse.h> lays them out. They are the
// I/O path: reflux reads and answers them itself, without an allocation and with data where the device wants
// it. All others are libfuse's. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <linux/fuse.h>

namespace reflux::fuse {

// A write's data follows so many bytes of headers; a read's headers are as many.
inline constexpr std::size_t transfer_header = sizeof(fuse_in_header) + sizeof(fuse_write_in);

enum class MessageKind : std::uint8_t {
    read,
    write,
    fsync,
    truncate,        // SETATTR with a size
    open_truncated,  // OPEN with O_TRUNC
    fallocate,
};

struct Message {
    MessageKind kind = MessageKind::read;
    std::uint64_t unique = 0;  // what the answer names
    std::uint64_t inode = 0;
    std::uint64_t offset = 0;  // bytes; of read, write and fallocate
    // Bytes; of a write they follow transfer_header. truncate: the size that is asked for.
    std::uint64_t size = 0;
    bool append = false;  // a write whose file is open with O_APPEND
    // A write by O_DSYNC, O_SYNC or RWF_DSYNC: the kernel sends no fsync after one that it does not cache.
    bool durable = false;
    bool by_handle = false;  // truncate: names an open file (ftruncate, or the kernel by itself)
    std::uint32_t how = 0;   // fallocate: FALLOC_FL_*
};

// nullopt: another message, or one that is cut off.
std::optional<Message> parse_message(std::span<const std::byte> bytes);

// The kernel tells that a request's caller got a signal. It may be ignored: then the request is answered.
bool is_interrupt(std::span<const std::byte> bytes);

}  // namespace reflux::fuse
