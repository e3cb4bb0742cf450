// The bytes of an image's metadata: superblock and zone table blocks. Pure; docs/image-format.md has the
// tables.
#pragma once

#include "backend/zone/zone_table.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace reflux {

inline constexpr std::size_t image_block_size = 4096;
inline constexpr std::uint32_t image_format_version = 1;
// Zones whose state one zone table block holds.
inline constexpr std::size_t zones_per_block = 255;

using ImageBlock = std::array<std::byte, image_block_size>;

struct Superblock {
    ZonedGeometry geometry;
    Bytes data_offset;  // where the disk's first byte lies in the file
    std::uint64_t created_unix_s = 0;
    std::array<std::uint8_t, 16> uuid{};
    bool clean = false;  // the zone table was written at a clean end
};

// Where the zone table of so many zones ends and the data can start: aligned to 1 MiB.
Bytes data_offset_for(const ZonedGeometry& geometry);
// Number of zone table blocks.
std::uint64_t table_block_count(const ZonedGeometry& geometry);
constexpr std::uint64_t table_block_of(ZoneId zone) {
    return zone.value / zones_per_block;
}
// Where zone table block `index` lies in the file.
constexpr Bytes table_block_offset(std::uint64_t index) {
    return {image_block_size * (index + 1)};
}

ImageBlock encode(const Superblock& superblock);
// Refused, as invalid_input with the reason: no image at all, a newer format version, damage.
Result<Superblock> decode_superblock(const ImageBlock& block);

// Zones [index * zones_per_block, ...) of the table.
ImageBlock encode_table_block(const ZoneTable& table, std::uint64_t index);
// Reads `zones.size()` zones, at most zones_per_block, out of table block `index`.
Status decode_table_block(const ImageBlock& block, std::uint64_t index, std::span<Zone> zones);

}  // namespace reflux
