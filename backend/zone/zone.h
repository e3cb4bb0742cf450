// One zone: type, condition, write pointer, and the state machine of ZBC-2 (INCITS 550) clause 4.4 over them.
// Pure values and functions; numbers are those of the ZONE TYPE and ZONE CONDITION fields of the REPORT ZONES
// zone descriptor, which struct blk_zone of <linux/blkzoned.h> repeats. What concerns more than one zone
// (borders, limits of open zones) is ZoneTable's. What every request asks is defined here, to be inlined.
#pragma once

#include "backend/base/units.h"
#include "backend/zone/zone_error.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace reflux {

// ZONE TYPE field; enum blk_zone_type.
enum class ZoneType : std::uint8_t {
    conventional = 0x1,
    sequential_write_required = 0x2,
    sequential_write_preferred = 0x3,
};

// ZONE CONDITION field; enum blk_zone_cond. ZC1 to ZC7 of the standard's state machine, plus "not write
// pointer".
enum class ZoneCondition : std::uint8_t {
    not_write_pointer = 0x0,
    empty = 0x1,
    implicit_open = 0x2,
    explicit_open = 0x3,
    closed = 0x4,
    read_only = 0xd,
    full = 0xe,
    offline = 0xf,
};

std::string_view to_string(ZoneType type);
std::string_view to_string(ZoneCondition condition);

// The state of one zone. Its start and capacity follow from the geometry and are not repeated here.
struct Zone {
    Bytes written;  // write pointer relative to the zone's start; 0 where the zone has no write pointer
    ZoneType type = ZoneType::conventional;
    ZoneCondition condition = ZoneCondition::not_write_pointer;
    bool non_sequential = false;     // NON_SEQ: was written elsewhere than at its write pointer; until reset
    bool reset_recommended = false;  // RESET: the disk wants it reset; until then

    // Writes begun and not ended; no part of the state, neither compared nor saved.
    std::uint32_t writes_in_flight = 0;

    bool operator==(const Zone& other) const {
        return written == other.written && type == other.type && condition == other.condition &&
               non_sequential == other.non_sequential && reset_recommended == other.reset_recommended;
    }
    [[nodiscard]] bool has_write_pointer() const { return type != ZoneType::conventional; }
    [[nodiscard]] bool is_open() const {
        return condition == ZoneCondition::implicit_open || condition == ZoneCondition::explicit_open;
    }
    // Whether a write, OPEN or FINISH would have to open it first.
    [[nodiscard]] bool is_openable() const {
        return condition == ZoneCondition::empty || condition == ZoneCondition::closed;
    }
};

// What a zone's state machine knows of the geometry.
struct ZoneBounds {
    Bytes capacity;                     // bytes that can be written, from the zone's start on
    std::uint64_t block = sector_size;  // logical block size, a power of two

    [[nodiscard]] Bytes round_up(Bytes bytes) const { return {(bytes.value + block - 1) & ~(block - 1)}; }
};

// A zone as it leaves the factory: conventional, or empty.
Zone fresh_zone(ZoneType type);
// Whether the fields can stand together: what is read from an image must.
bool is_consistent(const Zone& zone, const ZoneBounds& bounds);

// offline or read_only where the zone is that, else none.
inline ZoneError check_available(const Zone& zone) {
    if (zone.condition == ZoneCondition::offline) {
        return ZoneError::offline;
    }
    return zone.condition == ZoneCondition::read_only ? ZoneError::read_only : ZoneError::none;
}
// May bytes [offset, offset + length) of this zone be written now? `offset` is relative to the zone's start
// and the range lies within the zone. Of several reasons against it the first of this list is given: offline,
// read-only, behind the capacity, across its end, full, not at the write pointer. In zones that are not
// sequential-write-required any bytes will do, in those only whole logical blocks.
inline ZoneError check_write(const Zone& zone, Bytes offset, Bytes length, const ZoneBounds& bounds) {
    if (const auto error = check_available(zone); error != ZoneError::none) {
        return error;
    }
    if (zone.type != ZoneType::sequential_write_required || length == Bytes{0}) {
        return ZoneError::none;
    }
    if (offset >= bounds.capacity) {
        return ZoneError::gap;
    }
    if (length > bounds.capacity - offset) {
        return ZoneError::write_boundary_violation;
    }
    if (zone.condition == ZoneCondition::full) {
        return ZoneError::invalid_field;
    }
    return offset == zone.written && (length.value & (bounds.block - 1)) == 0 ? ZoneError::none
                                                                              : ZoneError::unaligned_write;
}
// A write of that range has completed: opens the zone implicitly, moves the write pointer, and makes the zone
// full when it is at its end. In a sequential-write-preferred zone it moves only when the write ends beyond
// it, and then to the end of the logical block that was touched last. In a sequential-write-required zone a
// write that is not at the pointer any more changes nothing: the zone was reset or finished meanwhile, and
// the write counts as done before that. Nor does one in a zone that is read-only or offline by now.
inline void record_write(Zone& zone, Bytes offset, Bytes length, const ZoneBounds& bounds) {
    if (!zone.has_write_pointer() || length == Bytes{0} || check_available(zone) != ZoneError::none) {
        return;
    }
    if (zone.type == ZoneType::sequential_write_preferred) {
        // A request may be the second half of a write that was cut inside of a block.
        zone.non_sequential |= bounds.round_up(offset) != zone.written;
        if (zone.condition == ZoneCondition::full) {
            return;
        }
        zone.written = std::max(zone.written, bounds.round_up(offset + length));
    } else {
        if (zone.condition == ZoneCondition::full || offset != zone.written) {
            return;
        }
        zone.written += length;
    }
    if (zone.written >= bounds.capacity) {
        zone.condition = ZoneCondition::full;
    } else if (zone.condition != ZoneCondition::explicit_open) {
        zone.condition = ZoneCondition::implicit_open;
    }
}

// OPEN ZONE, CLOSE ZONE, FINISH ZONE, RESET WRITE POINTER (ZBC-2 clauses 5.2 to 5.5 describe the commands).
// The zone is changed only when the answer is none. Open limits are not applied.
ZoneError open_zone(Zone& zone);
ZoneError close_zone(Zone& zone);
ZoneError finish_zone(Zone& zone, Bytes capacity);
ZoneError reset_zone(Zone& zone);
// What these commands ask for first: a write pointer, and a zone that is neither offline nor read-only.
ZoneError check_manageable(const Zone& zone);

// What a power cycle makes of a zone: open becomes closed, or empty when nothing was written.
void power_cycle(Zone& zone);

}  // namespace reflux
