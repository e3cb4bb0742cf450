#include "backend/zone/zone.h"

#include <algorithm>
#include <cerrno>

namespace reflux {
namespace {

bool is_open(const Zone& zone) {
    return zone.condition == ZoneCondition::implicit_open || zone.condition == ZoneCondition::explicit_open;
}

ZoneError check_available(const Zone& zone) {
    switch (zone.condition) {
        case ZoneCondition::offline:
            return ZoneError::offline;
        case ZoneCondition::read_only:
            return ZoneError::read_only;
        default:
            return ZoneError::none;
    }
}

// What every zone management command asks for first.
ZoneError check_manageable(const Zone& zone) {
    return zone.has_write_pointer() ? check_available(zone) : ZoneError::invalid_field;
}

}  // namespace

std::string_view to_string(ZoneType type) {
    switch (type) {
        case ZoneType::conventional:
            return "conventional";
        case ZoneType::sequential_write_required:
            return "sequential_write_required";
        case ZoneType::sequential_write_preferred:
            return "sequential_write_preferred";
    }
    return "unknown";
}

std::string_view to_string(ZoneCondition condition) {
    switch (condition) {
        case ZoneCondition::not_write_pointer:
            return "not_write_pointer";
        case ZoneCondition::empty:
            return "empty";
        case ZoneCondition::implicit_open:
            return "implicit_open";
        case ZoneCondition::explicit_open:
            return "explicit_open";
        case ZoneCondition::closed:
            return "closed";
        case ZoneCondition::read_only:
            return "read_only";
        case ZoneCondition::full:
            return "full";
        case ZoneCondition::offline:
            return "offline";
    }
    return "unknown";
}

std::string_view to_string(ZoneError error) {
    switch (error) {
        case ZoneError::none:
            return "none";
        case ZoneError::out_of_range:
            return "beyond the end of the disk";
        case ZoneError::unaligned_write:
            return "not at the write pointer";
        case ZoneError::write_boundary_violation:
            return "crosses the border of a sequential zone";
        case ZoneError::invalid_field:
            return "not possible in this zone's type or condition";
        case ZoneError::read_only:
            return "the zone is read-only";
        case ZoneError::offline:
            return "the zone is offline";
    }
    return "unknown";
}

int errno_of(ZoneError error) {
    switch (error) {
        case ZoneError::none:
            return 0;
        case ZoneError::out_of_range:
            return ENOSPC;
        default:
            return EIO;
    }
}

Zone fresh_zone(ZoneType type) {
    return {.written = {},
            .type = type,
            .condition =
                type == ZoneType::conventional ? ZoneCondition::not_write_pointer : ZoneCondition::empty};
}

bool is_consistent(const Zone& zone, Bytes capacity) {
    const bool partly = zone.written > Bytes{0} && zone.written < capacity;
    switch (zone.type) {
        case ZoneType::conventional:
            return zone.written == Bytes{0} &&
                   (zone.condition == ZoneCondition::not_write_pointer ||
                    zone.condition == ZoneCondition::read_only || zone.condition == ZoneCondition::offline);
        case ZoneType::sequential_write_required:
        case ZoneType::sequential_write_preferred:
            break;
        default:
            return false;
    }
    switch (zone.condition) {
        case ZoneCondition::empty:
            return zone.written == Bytes{0};
        case ZoneCondition::implicit_open:
        case ZoneCondition::explicit_open:
            return zone.written < capacity;
        case ZoneCondition::closed:
            return partly;
        case ZoneCondition::full:
            return zone.written == capacity;
        case ZoneCondition::read_only:
        case ZoneCondition::offline:
            return zone.written <= capacity;
        default:
            return false;
    }
}

ZoneError check_write(const Zone& zone, Bytes offset, Bytes length) {
    if (const auto error = check_available(zone); error != ZoneError::none) {
        return error;
    }
    if (zone.type != ZoneType::sequential_write_required || length == Bytes{0}) {
        return ZoneError::none;
    }
    if (zone.condition == ZoneCondition::full) {
        return ZoneError::invalid_field;
    }
    return offset == zone.written ? ZoneError::none : ZoneError::unaligned_write;
}

ZoneError check_read(const Zone& zone) {
    return zone.condition == ZoneCondition::offline ? ZoneError::offline : ZoneError::none;
}

void record_write(Zone& zone, Bytes offset, Bytes length, Bytes capacity) {
    if (!zone.has_write_pointer() || length == Bytes{0} || zone.condition == ZoneCondition::full ||
        check_available(zone) != ZoneError::none) {
        return;
    }
    const Bytes end = offset + length;
    zone.written =
        std::max(zone.written, zone.type == ZoneType::sequential_write_preferred
                                   ? Bytes{(end.value + sector_size - 1) / sector_size * sector_size}
                                   : end);
    if (zone.written >= capacity) {
        zone.condition = ZoneCondition::full;
    } else if (zone.condition != ZoneCondition::explicit_open) {
        zone.condition = ZoneCondition::implicit_open;
    }
}

ZoneError open_zone(Zone& zone) {
    if (const auto error = check_manageable(zone); error != ZoneError::none) {
        return error;
    }
    if (zone.condition != ZoneCondition::full) {
        zone.condition = ZoneCondition::explicit_open;
    }
    return ZoneError::none;
}

ZoneError close_zone(Zone& zone) {
    if (const auto error = check_manageable(zone); error != ZoneError::none) {
        return error;
    }
    if (is_open(zone)) {
        zone.condition = zone.written == Bytes{0} ? ZoneCondition::empty : ZoneCondition::closed;
    }
    return ZoneError::none;
}

ZoneError finish_zone(Zone& zone, Bytes capacity) {
    if (const auto error = check_manageable(zone); error != ZoneError::none) {
        return error;
    }
    zone.written = capacity;
    zone.condition = ZoneCondition::full;
    return ZoneError::none;
}

ZoneError reset_zone(Zone& zone) {
    if (const auto error = check_manageable(zone); error != ZoneError::none) {
        return error;
    }
    zone.written = {};
    zone.condition = ZoneCondition::empty;
    return ZoneError::none;
}

void power_cycle(Zone& zone) {
    if (is_open(zone)) {
        zone.condition = zone.written == Bytes{0} ? ZoneCondition::empty : ZoneCondition::closed;
    }
}

}  // namespace reflux
