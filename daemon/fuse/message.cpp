#include "daemon/fuse/message.h"

#include <cstring>

namespace reflux::fuse {
namespace {

// T from the message's bytes at `at`; nullopt: they are not all there.
template <class T>
std::optional<T> load(std::span<const std::byte> message, std::size_t at) {
    if (message.size() < at + sizeof(T)) {
        return std::nullopt;
    }
    T value;
    std::memcpy(&value, message.data() + at, sizeof(T));
    return value;
}

template <class T>
std::optional<Transfer> parse_body(std::span<const std::byte> message, Transfer transfer) {
    const auto body = load<T>(message, sizeof(fuse_in_header));
    if (!body) {
        return std::nullopt;
    }
    if constexpr (requires { body->offset; }) {
        transfer.offset = body->offset;
        transfer.size = body->size;
    }
    return transfer;
}

}  // namespace

std::optional<Transfer> parse_transfer(std::span<const std::byte> message) {
    const auto header = load<fuse_in_header>(message, 0);
    if (!header) {
        return std::nullopt;
    }
    Transfer transfer{.unique = header->unique, .inode = header->nodeid};
    switch (header->opcode) {
        case FUSE_READ:
            return parse_body<fuse_read_in>(message, transfer);
        case FUSE_FSYNC:
            transfer.operation = DeviceOperation::flush;
            return parse_body<fuse_fsync_in>(message, transfer);
        case FUSE_WRITE: {
            transfer.operation = DeviceOperation::write;
            const auto write = parse_body<fuse_write_in>(message, transfer);
            return write && message.size() == transfer_header + write->size ? write : std::nullopt;
        }
        default:
            return std::nullopt;
    }
}

bool is_interrupt(std::span<const std::byte> message) {
    const auto header = load<fuse_in_header>(message, 0);
    return header && header->opcode == FUSE_INTERRUPT;
}

}  // namespace reflux::fuse
