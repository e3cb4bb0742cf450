#include "daemon/fuse/zone_file.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <linux/falloc.h>

namespace reflux::fuse {
namespace {

Plan refused(int error) {
    return {.error = error};
}

Plan ask(DeviceOperation operation, std::uint64_t offset = 0, std::uint64_t length = 0) {
    return {.asks_the_disk = true, .operation = operation, .offset = offset, .length = length};
}

// How much of `length` bytes at `offset` lies before `end`.
std::uint64_t clip(std::uint64_t offset, std::uint64_t length, Bytes end) {
    return offset >= end.value ? 0 : std::min(length, end.value - offset);
}

Plan plan_fallocate(const Message& message, Bytes size) {
    constexpr unsigned keep_size = FALLOC_FL_KEEP_SIZE;
    switch (message.how) {
        case FALLOC_FL_PUNCH_HOLE | keep_size:
        case FALLOC_FL_ZERO_RANGE | keep_size:
            return ask(DeviceOperation::discard, std::min(message.offset, size.value),
                       clip(message.offset, message.size, size));
        case FALLOC_FL_ZERO_RANGE:  // past the end the disk refuses it
            return ask(DeviceOperation::discard, message.offset, message.size);
        default:
            return refused(EOPNOTSUPP);
    }
}

bool is_offline(const ZoneDescriptor& zone) {
    return zone.condition == ZoneCondition::offline;
}

Plan plan_read(const Message& message, const ZoneDescriptor& zone) {
    if (is_offline(zone)) {
        return refused(EPERM);
    }
    const std::uint64_t length = clip(message.offset, message.size, zone_file_size(zone));
    return length == 0 ? Plan{} : ask(DeviceOperation::read, zone.start.value + message.offset, length);
}

Plan plan_write(const Message& message, const ZoneDescriptor& zone, unsigned block, std::uint64_t largest) {
    constexpr std::uint64_t page = 4096;
    if (!zone.has_write_pointer && message.append) {
        return refused(EINVAL);
    }
    const std::uint64_t at = message.append ? zone_file_size(zone).value : message.offset;
    if (at >= zone.capacity.value) {
        return refused(EFBIG);
    }
    std::uint64_t length = clip(at, message.size, zone.capacity);
    if (!zone.has_write_pointer) {
        return ask(DeviceOperation::write, zone.start.value + at, length);
    }
    if (length + page > largest) {  // from unaligned memory up to a page less than the largest comes
        length -= length % block;
    }
    if (message.append) {
        return ask(DeviceOperation::append, zone.start.value, length);
    }
    // A sequential-write-required zone's pointer is the disk's to check, when the writes before this are
    // done; in a sequential-write-preferred one it would take a write anywhere.
    const bool is_elsewhere = at != zone_file_size(zone).value || length % block != 0;
    if (zone.type == ZoneType::sequential_write_preferred && may_write(zone) && is_elsewhere) {
        return refused(EINVAL);
    }
    return ask(DeviceOperation::write, zone.start.value + at, length);
}

Plan plan_truncate(std::uint64_t size, const ZoneDescriptor& zone) {
    if (!zone.has_write_pointer || !may_write(zone)) {
        return refused(EPERM);
    }
    if (size == 0) {
        return zone.condition == ZoneCondition::empty ? Plan{}
                                                      : ask(DeviceOperation::reset_zone, zone.start.value);
    }
    if (size != zone.capacity.value) {
        return refused(EPERM);
    }
    return zone.condition == ZoneCondition::full ? Plan{}
                                                 : ask(DeviceOperation::finish_zone, zone.start.value);
}

}  // namespace

unsigned zone_file_mode(const ZoneDescriptor& zone) {
    constexpr unsigned all = 0600;
    constexpr unsigned only_reading = 0400;
    if (is_offline(zone)) {
        return 0;
    }
    return may_write(zone) ? all : only_reading;
}

Bytes zone_file_size(const ZoneDescriptor& zone) {
    if (is_offline(zone)) {
        return {0};
    }
    return zone.has_write_pointer ? zone.write_pointer - zone.start : zone.capacity;
}

bool may_write(const ZoneDescriptor& zone) {
    return zone.condition != ZoneCondition::read_only && !is_offline(zone);
}

Plan plan_for_disk(const Message& message, Bytes size) {
    switch (message.kind) {
        case MessageKind::read: {
            const std::uint64_t length = clip(message.offset, message.size, size);
            return length == 0 ? Plan{} : ask(DeviceOperation::read, message.offset, length);
        }
        case MessageKind::write:
            return ask(DeviceOperation::write, message.offset, message.size);
        case MessageKind::fsync:
            return ask(DeviceOperation::flush);
        case MessageKind::fallocate:
            return plan_fallocate(message, size);
        default:
            return refused(EINVAL);
    }
}

Plan plan_for_zone(const Message& message, const ZoneDescriptor& zone, unsigned logical_block_size,
                   std::uint64_t largest) {
    switch (message.kind) {
        case MessageKind::read:
            return plan_read(message, zone);
        case MessageKind::write:
            return plan_write(message, zone, logical_block_size, largest);
        case MessageKind::fsync:
            return ask(DeviceOperation::flush);
        case MessageKind::truncate:
            // When an asynchronous write beyond the size that the kernel remembers has failed, it truncates
            // the file to that size (fuse_direct_IO, fs/fuse/file.c). That may be 0 where the zone has data,
            // and cannot be told from ftruncate.
            return message.by_handle ? refused(EPERM) : plan_truncate(message.size, zone);
        case MessageKind::open_truncated:
            return plan_truncate(0, zone);
        case MessageKind::fallocate:
            break;
    }
    return refused(EOPNOTSUPP);
}

int errno_of_zone_file(DeviceOperation operation, ZoneError refusal) {
    switch (refusal) {
        case ZoneError::unaligned_write:
            return EINVAL;
        case ZoneError::write_boundary_violation:
        case ZoneError::gap:
            return EFBIG;
        case ZoneError::invalid_field:  // it is full
            return operation == DeviceOperation::append ? EFBIG : EINVAL;
        default:
            return errno_of(refusal);
    }
}

}  // namespace reflux::fuse
