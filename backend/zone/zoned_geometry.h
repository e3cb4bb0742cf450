// The shape of a zoned disk: zones of one size without gaps, the last one possibly smaller, the first ones
// conventional. Pure arithmetic.
#pragma once

#include "backend/base/result.h"
#include "backend/base/units.h"

#include <algorithm>
#include <cstdint>

namespace reflux {

// A range of the disk, in bytes.
struct Extent {
    Bytes offset;
    Bytes length;

    bool operator==(const Extent&) const = default;
    [[nodiscard]] Bytes end() const { return offset + length; }
};

// The part of a request that lies in one zone.
struct ZonePiece {
    ZoneId zone;
    Bytes offset_in_zone;
    Bytes length;

    bool operator==(const ZonePiece&) const = default;
};

class ZonedGeometry {
  public:
    static constexpr Bytes smallest_zone = kibibytes(64);
    // Linux wants zones of a power of two sectors; this bounds the zone table, not the standard.
    static constexpr std::uint64_t most_zones = 1U << 24U;

    // `conventional` counts zones from the start of the disk. Refused: a zone size that is no power of two or
    // is under smallest_zone, a size that is 0 or no multiple of 4 KiB, more conventional zones than zones.
    static Result<ZonedGeometry> make(Bytes size, Bytes zone_size, std::uint64_t conventional);

    [[nodiscard]] Bytes size() const { return size_; }
    [[nodiscard]] Bytes zone_size() const { return {std::uint64_t{1} << zone_shift_}; }
    [[nodiscard]] std::uint64_t zone_count() const { return zone_count_; }
    [[nodiscard]] std::uint64_t conventional_count() const { return conventional_; }
    [[nodiscard]] bool is_conventional(ZoneId zone) const { return zone.value < conventional_; }

    [[nodiscard]] ZoneId zone_of(Bytes offset) const { return {offset.value >> zone_shift_}; }
    [[nodiscard]] Bytes start_of(ZoneId zone) const { return {zone.value << zone_shift_}; }
    // Length of a zone; only the last one can be shorter than zone_size().
    [[nodiscard]] Bytes capacity_of(ZoneId zone) const {
        return {std::min(zone_size().value, size_.value - start_of(zone).value)};
    }
    // Whether the whole range lies on the disk; no overflow for any values.
    [[nodiscard]] bool contains(Extent extent) const {
        return extent.offset <= size_ && extent.length <= size_ - extent.offset;
    }
    // The first piece of a range that lies on the disk and is not empty.
    [[nodiscard]] ZonePiece first_piece(Extent extent) const {
        const ZoneId zone = zone_of(extent.offset);
        const Bytes inside = extent.offset - start_of(zone);
        return {.zone = zone,
                .offset_in_zone = inside,
                .length = std::min(extent.length, capacity_of(zone) - inside)};
    }
    // Calls visit(ZonePiece) for each zone that the range touches, in order. The range lies on the disk.
    template <class Visit>
    void for_each_piece(Extent extent, Visit visit) const {
        while (extent.length > Bytes{0}) {
            const ZonePiece piece = first_piece(extent);
            visit(piece);
            extent = {.offset = extent.offset + piece.length, .length = extent.length - piece.length};
        }
    }

  private:
    ZonedGeometry() = default;

    Bytes size_;
    unsigned zone_shift_ = 0;
    std::uint64_t zone_count_ = 0;
    std::uint64_t conventional_ = 0;
};

}  // namespace reflux
