// The bytes of an image's metadata, format version 2: superblock and zone table blocks. Pure;
// docs/image-format.md has the tables and says why they are as they are.
#pragma once

#include "backend/zone/zone_table.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace reflux {

inline constexpr std::size_t image_block_size = 4096;
inline constexpr std::uint32_t image_format_version = 2;
// Zones whose state one zone table block holds.
inline constexpr std::size_t zones_per_block = 255;
// The superblock stands twice.
inline constexpr std::size_t superblock_copies = 2;
// A zone table block stands in two slots, which are written in turn, and twice in each.
inline constexpr std::size_t table_slots = 2;
inline constexpr std::size_t table_copies = 2;

using ImageBlock = std::array<std::byte, image_block_size>;
using ImageBlockView = std::span<const std::byte, image_block_size>;

struct Superblock {
    ZonedGeometry geometry;
    Bytes data_offset;           // where the disk's first byte lies in the file
    std::uint64_t sequence = 0;  // counts up with every change of the superblock
    std::uint64_t created_unix_s = 0;
    std::array<std::uint8_t, 16> uuid{};
    bool translated = false;  // served through a translation that takes writes anywhere
    bool clean = false;       // closed properly: all that was written is in the zone table
};

// Where the zone table of so many zones ends and the data can start: aligned to 1 MiB.
Bytes data_offset_for(const ZonedGeometry& geometry);
// Number of zone table blocks, each with its slots and copies.
std::uint64_t table_block_count(const ZonedGeometry& geometry);
constexpr std::uint64_t table_block_of(ZoneId zone) {
    return zone.value / zones_per_block;
}
constexpr Bytes superblock_offset(std::size_t copy) {
    return {image_block_size * copy};
}
// All slots and copies of one zone table block.
inline constexpr std::size_t table_group_size = image_block_size * table_slots * table_copies;
constexpr Bytes table_offset(std::uint64_t index, std::size_t slot, std::size_t copy) {
    return {image_block_size * superblock_copies + table_group_size * index +
            image_block_size * (slot * table_copies + copy)};
}

ImageBlock encode(const Superblock& superblock);
// Whether the block begins as a superblock of any version does.
bool has_image_magic(ImageBlockView block);
// Refused, as invalid_input with the reason: no image at all, a newer or older format version, damage.
Result<Superblock> decode_superblock(ImageBlockView block);

// Zones [index * zones_per_block, ...) of the table; not valid before seal_table_block.
void encode_table_block(const ZoneTable& table, std::uint64_t index, ImageBlock& block);
void seal_table_block(ImageBlock& block, std::uint64_t sequence);
// The sequence of an undamaged zone table block `index`; nothing: it is damaged, or another.
std::optional<std::uint64_t> table_block_sequence(ImageBlockView block, std::uint64_t index);
// Reads `zones.size()` zones, at most zones_per_block, out of an undamaged block. What they are worth is for
// ZoneTable::restore to say.
void decode_table_block(ImageBlockView block, std::span<Zone> zones);

}  // namespace reflux
