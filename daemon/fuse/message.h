// Messages of the FUSE protocol that carry the disk's data, as <linux/fuse.h> lays them out. They are the
// I/O path: reflux reads and answers them itself, without an allocation and with data where the device wants
// it. All others are libfuse's. Pure.
#pragma once

#include "backend/device_operation.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <linux/fuse.h>

namespace reflux::fuse {

// A write's data follows so many bytes of headers; a read's headers are as many.
inline constexpr std::size_t transfer_header = sizeof(fuse_in_header) + sizeof(fuse_write_in);

// A read, write or fsync of a file.
struct Transfer {
    DeviceOperation operation = DeviceOperation::read;
    std::uint64_t unique = 0;  // what the answer names
    std::uint64_t inode = 0;
    std::uint64_t offset = 0;  // bytes
    std::size_t size = 0;      // bytes; of a write they follow transfer_header
};

// nullopt: another message, or one that is cut off.
std::optional<Transfer> parse_transfer(std::span<const std::byte> message);

// The kernel tells that a request's caller got a signal. It may be ignored: then the request is answered.
bool is_interrupt(std::span<const std::byte> message);

}  // namespace reflux::fuse
