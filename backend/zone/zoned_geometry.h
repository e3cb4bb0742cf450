// The shape of a zoned disk: zones of one size without gaps, the last one possibly smaller, the first ones
// conventional. Pure arithmetic.
#pragma once

#include "backend/base/result.h"
#include "backend/zone/zone.h"

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

// ZONED field of the Block Device Characteristics page; enum blk_zoned_model of older kernels. It decides the
// type of the sequential zones: sequential-write-required, or sequential-write-preferred.
enum class ZoneModel : std::uint8_t { host_managed, host_aware };
std::string_view to_string(ZoneModel model);

// All that makes one zoned disk differ from another; ZonedGeometry::make says what it refuses.
struct ZonedShape {
    Bytes size;
    Bytes zone_size;
    Bytes zone_capacity;             // writable bytes of a sequential zone, from its start; 0: all of it
    std::uint64_t conventional = 0;  // zones, from the start of the disk
    unsigned logical_block_size = sector_size;  // bytes: 512 or 4096
    ZoneModel model = ZoneModel::host_aware;
    // Limits of open zones, and of active ones (open or closed: NVMe ZNS); 0: none. On a host-aware disk
    // max_open is ZBC's optimal number: opening one more closes another, and no write is refused for it.
    std::uint32_t max_open = 0;
    std::uint32_t max_active = 0;
    // URSWRZ of the Zoned Block Device Characteristics page: a sequential-write-required zone may be read
    // beyond its write pointer. False: such a read is refused, and so is one that leaves the zone.
    bool unrestricted_reads = true;

    bool operator==(const ZonedShape&) const = default;
};

class ZonedGeometry {
  public:
    static constexpr Bytes smallest_zone = kibibytes(64);
    // 256 times what Linux can take, whose chunk_sectors is an unsigned int; the zone table has room for it.
    static constexpr Bytes largest_zone = gibibytes(256 * 1024);
    // Linux wants zones of a power of two sectors; this bounds the zone table, not the standard.
    static constexpr std::uint64_t most_zones = 1U << 24U;

    // Refused: a zone size that is no power of two, or is under smallest_zone or over largest_zone; a size
    // that is 0 or no multiple of 4 KiB; a capacity beyond the zone size or of no whole logical blocks; more
    // conventional zones than zones; a logical block size that is neither 512 nor 4096; more open zones than
    // active ones; and what a host-aware disk cannot have, for any host may write it anywhere: a capacity
    // below the zone size, and a limit of active zones.
    static Result<ZonedGeometry> make(const ZonedShape& shape);

    // As given to make, but zone_capacity is never 0.
    [[nodiscard]] const ZonedShape& shape() const { return shape_; }
    [[nodiscard]] Bytes size() const { return shape_.size; }
    [[nodiscard]] Bytes zone_size() const { return {std::uint64_t{1} << zone_shift_}; }
    [[nodiscard]] std::uint64_t zone_count() const { return zone_count_; }
    [[nodiscard]] std::uint64_t conventional_count() const { return shape_.conventional; }
    [[nodiscard]] bool is_conventional(ZoneId zone) const { return zone.value < shape_.conventional; }
    // The type of all zones that are not conventional.
    [[nodiscard]] ZoneType sequential_type() const {
        return shape_.model == ZoneModel::host_managed ? ZoneType::sequential_write_required
                                                       : ZoneType::sequential_write_preferred;
    }
    [[nodiscard]] ZoneType type_of(ZoneId zone) const {
        return is_conventional(zone) ? ZoneType::conventional : sequential_type();
    }

    [[nodiscard]] ZoneId zone_of(Bytes offset) const { return {offset.value >> zone_shift_}; }
    [[nodiscard]] Bytes start_of(ZoneId zone) const { return {zone.value << zone_shift_}; }
    // Length of a zone; only the last one can be shorter than zone_size().
    [[nodiscard]] Bytes length_of(ZoneId zone) const {
        return std::min(zone_size(), size() - start_of(zone));
    }
    // How much of it can be written, from its start on.
    [[nodiscard]] Bytes capacity_of(ZoneId zone) const {
        const Bytes length = length_of(zone);
        return is_conventional(zone) ? length : std::min(shape_.zone_capacity, length);
    }
    // Whether the whole range lies on the disk; no overflow for any values.
    [[nodiscard]] bool contains(Extent extent) const {
        return extent.offset <= size() && extent.length <= size() - extent.offset;
    }
    // The first piece of a range that lies on the disk and is not empty.
    [[nodiscard]] ZonePiece first_piece(Extent extent) const {
        const ZoneId zone = zone_of(extent.offset);
        const Bytes inside = extent.offset - start_of(zone);
        return {.zone = zone,
                .offset_in_zone = inside,
                .length = std::min(extent.length, length_of(zone) - inside)};
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

    ZonedShape shape_;
    unsigned zone_shift_ = 0;
    std::uint64_t zone_count_ = 0;
};

}  // namespace reflux
