// One zone: type, condition, write pointer, and the state machine of ZBC-2 (INCITS 550) clause 4.4 over them.
// Pure values and functions; numbers are those of the ZONE TYPE and ZONE CONDITION fields of the REPORT ZONES
// zone descriptor, which struct blk_zone of <linux/blkzoned.h> repeats.
#pragma once

#include "backend/base/units.h"

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

// Why a request is refused. In brackets the additional sense code of SPC-5 that a SCSI front end answers.
enum class ZoneError : std::uint8_t {
    none,
    out_of_range,              // [21h/00h LOGICAL BLOCK ADDRESS OUT OF RANGE]
    unaligned_write,           // not at the write pointer [21h/04h UNALIGNED WRITE COMMAND]
    write_boundary_violation,  // leaves a sequential-write-required zone [21h/05h WRITE BOUNDARY VIOLATION]
    invalid_field,             // the zone is full or has no write pointer [24h/00h INVALID FIELD IN CDB]
    read_only,                 // [27h/08h ZONE IS READ ONLY]
    offline,                   // [2Ch/0Eh ZONE IS OFFLINE]
};

std::string_view to_string(ZoneType type);
std::string_view to_string(ZoneCondition condition);
std::string_view to_string(ZoneError error);
// What a file or block front end answers: ENOSPC past the end, EIO for what the zone's state forbids, 0 for
// none.
int errno_of(ZoneError error);

// The state of one zone. Its start and capacity follow from the geometry and are not repeated here.
struct Zone {
    Bytes written;  // write pointer relative to the zone's start; 0 where the zone has no write pointer
    ZoneType type = ZoneType::conventional;
    ZoneCondition condition = ZoneCondition::not_write_pointer;

    bool operator==(const Zone&) const = default;
    [[nodiscard]] bool has_write_pointer() const { return type != ZoneType::conventional; }
};

// A zone as it leaves the factory: conventional, or empty.
Zone fresh_zone(ZoneType type);
// Whether type, condition and write pointer can stand together: what is read from an image must.
bool is_consistent(const Zone& zone, Bytes capacity);

// May bytes [offset, offset + length) of this zone be written now? `offset` is relative to the zone's start
// and the range lies within it.
ZoneError check_write(const Zone& zone, Bytes offset, Bytes length);
// May the zone be read? Reads are unrestricted (URSWRZ = 1): beyond the write pointer they give what is
// there.
ZoneError check_read(const Zone& zone);
// A write of that range has completed. Opens the zone implicitly, moves the write pointer, and makes the zone
// full when it is at its end. A write to a sequential-write-preferred zone moves the pointer only when it
// ends beyond it, and then to the end of the logical block that it touched last.
void record_write(Zone& zone, Bytes offset, Bytes length, Bytes capacity);

// OPEN ZONE, CLOSE ZONE, FINISH ZONE, RESET WRITE POINTER (ZBC-2 clauses 5.2 to 5.5 describe the commands).
// The zone is changed only when the answer is none. Open limits are not applied.
ZoneError open_zone(Zone& zone);
ZoneError close_zone(Zone& zone);
ZoneError finish_zone(Zone& zone, Bytes capacity);
ZoneError reset_zone(Zone& zone);

// What a power cycle makes of a zone: open becomes closed, or empty when nothing was written.
void power_cycle(Zone& zone);

}  // namespace reflux
