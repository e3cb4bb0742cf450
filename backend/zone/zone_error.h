// Why the zone model refuses a request, and how each front end says so: SCSI by sense key and additional
// sense code (SPC-5, ZBC-2 clause 5), a file or block front end by an errno value.
#pragma once

#include <cstdint>
#include <string_view>

namespace reflux {

// The rows of zone_error.cpp's table, in its order.
enum class ZoneError : std::uint8_t {
    none,
    out_of_range,              // beyond the end of the disk
    unaligned_write,           // not at the write pointer, or of no whole logical blocks
    write_boundary_violation,  // leaves the writable part of a sequential-write-required zone, or enters one
    read_boundary_violation,   // leaves a sequential-write-required zone, where reads are restricted
    read_invalid_data,  // beyond the write pointer, where reads are restricted; or in zones of two types
    gap,                // begins behind the capacity of a zone
    invalid_field,      // the zone is full or has no write pointer
    read_only,
    offline,
    too_many_open,    // no zone can be closed to open this one
    too_many_active,  // NVMe ZNS' limit; SCSI has no word for it and says what it says of open zones
};

// The three bytes of sense data that name an error; all 0: no error.
struct Sense {
    std::uint8_t key = 0;
    std::uint8_t asc = 0;
    std::uint8_t ascq = 0;

    bool operator==(const Sense&) const = default;
};

std::string_view to_string(ZoneError error);
Sense sense_of(ZoneError error);
// ENOSPC past the end, what the block layer answers for a lack of zone resources (blk_errors in
// block/blk-core.c), EIO for the rest, 0 for none.
int errno_of(ZoneError error);

}  // namespace reflux
