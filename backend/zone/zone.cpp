#include "backend/zone/zone.h"

namespace reflux {
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

Zone fresh_zone(ZoneType type) {
    return {.written = {},
            .type = type,
            .condition =
                type == ZoneType::conventional ? ZoneCondition::not_write_pointer : ZoneCondition::empty};
}

bool is_consistent(const Zone& zone, const ZoneBounds& bounds) {
    const Bytes capacity = bounds.capacity;
    if (zone.written.value % bounds.block != 0) {
        return false;
    }
    if (zone.non_sequential && zone.type != ZoneType::sequential_write_preferred) {
        return false;
    }
    if (zone.reset_recommended && !zone.has_write_pointer()) {
        return false;
    }
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
            return zone.written > Bytes{0} && zone.written < capacity;
        case ZoneCondition::full:
            return zone.written == capacity;
        case ZoneCondition::read_only:
        case ZoneCondition::offline:
            return zone.written <= capacity;
        default:
            return false;
    }
}

ZoneError check_manageable(const Zone& zone) {
    return zone.has_write_pointer() ? check_available(zone) : ZoneError::invalid_field;
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
    power_cycle(zone);  // does the same to it
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
    const std::uint32_t writes_in_flight = zone.writes_in_flight;
    zone = fresh_zone(zone.type);
    zone.writes_in_flight = writes_in_flight;
    return ZoneError::none;
}

void power_cycle(Zone& zone) {
    if (zone.is_open()) {
        zone.condition = zone.written == Bytes{0} ? ZoneCondition::empty : ZoneCondition::closed;
    }
}

}  // namespace reflux
