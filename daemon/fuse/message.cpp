#include "daemon/fuse/message.h"

#include <cstring>

#include <fcntl.h>

namespace reflux::fuse {
namespace {

// T from the message's bytes at `at`; nullopt: they are not all there.
template <class T>
std::optional<T> load(std::span<const std::byte> bytes, std::size_t at) {
    if (bytes.size() < at + sizeof(T)) {
        return std::nullopt;
    }
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof(T));
    return value;
}

template <class T>
std::optional<T> load_body(std::span<const std::byte> bytes) {
    return load<T>(bytes, sizeof(fuse_in_header));
}

// Each takes its message's body over; false: it is cut off, or not one of ours.
bool parse_read(std::span<const std::byte> bytes, Message& message) {
    const auto body = load_body<fuse_read_in>(bytes);
    if (body) {
        message.offset = body->offset;
        message.size = body->size;
    }
    return body.has_value();
}

bool parse_write(std::span<const std::byte> bytes, Message& message) {
    const auto body = load_body<fuse_write_in>(bytes);
    if (!body || bytes.size() != transfer_header + body->size) {
        return false;
    }
    message.kind = MessageKind::write;
    message.offset = body->offset;
    message.size = body->size;
    message.append = (body->flags & static_cast<unsigned>(O_APPEND)) != 0;
    message.durable = (body->flags & static_cast<unsigned>(O_DSYNC)) != 0;  // O_SYNC has it too
    return true;
}

bool parse_setattr(std::span<const std::byte> bytes, Message& message) {
    const auto body = load_body<fuse_setattr_in>(bytes);
    if (!body || (body->valid & static_cast<unsigned>(FATTR_SIZE)) == 0) {
        return false;
    }
    message.kind = MessageKind::truncate;
    message.size = body->size;
    message.by_handle = (body->valid & static_cast<unsigned>(FATTR_FH)) != 0;
    return true;
}

bool parse_open(std::span<const std::byte> bytes, Message& message) {
    const auto body = load_body<fuse_open_in>(bytes);
    message.kind = MessageKind::open_truncated;
    return body && (body->flags & static_cast<unsigned>(O_TRUNC)) != 0;
}

bool parse_fallocate(std::span<const std::byte> bytes, Message& message) {
    const auto body = load_body<fuse_fallocate_in>(bytes);
    if (body) {
        message.kind = MessageKind::fallocate;
        message.offset = body->offset;
        message.size = body->length;
        message.how = body->mode;
    }
    return body.has_value();
}

bool parse_body(std::uint32_t opcode, std::span<const std::byte> bytes, Message& message) {
    switch (opcode) {
        case FUSE_READ:
            return parse_read(bytes, message);
        case FUSE_WRITE:
            return parse_write(bytes, message);
        case FUSE_FSYNC:
            message.kind = MessageKind::fsync;
            return load_body<fuse_fsync_in>(bytes).has_value();
        case FUSE_SETATTR:
            return parse_setattr(bytes, message);
        case FUSE_OPEN:
            return parse_open(bytes, message);
        case FUSE_FALLOCATE:
            return parse_fallocate(bytes, message);
        default:
            return false;
    }
}

}  // namespace

std::optional<Message> parse_message(std::span<const std::byte> bytes) {
    const auto header = load<fuse_in_header>(bytes, 0);
    if (!header) {
        return std::nullopt;
    }
    Message message{.unique = header->unique, .inode = header->nodeid};
    return parse_body(header->opcode, bytes, message) ? std::optional(message) : std::nullopt;
}

bool is_interrupt(std::span<const std::byte> bytes) {
    const auto header = load<fuse_in_header>(bytes, 0);
    return header && header->opcode == FUSE_INTERRUPT;
}

}  // namespace reflux::fuse
