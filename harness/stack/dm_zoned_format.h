// The metadata that dm-zoned keeps on its device, as a fresh one has it. Pure.
//
// Source: the kernel's Documentation/admin-guide/device-mapper/dm-zoned.rst and what dm-zoned-metadata.c
// checks when it starts (dmz_init_zone, dmz_check_sb, dmz_load_mapping, dmz_get_bitmap). Version 2 of the
// format, which kernels since 5.8 take; one device, so no third superblock. docs/dm-zoned.md has it drawn.
#pragma once

#include "harness/stack/zones.h"

#include <optional>

namespace reflux::stack {

struct DmZonedOptions {
    // Sequential zones that are kept free for reclaim. nullopt: 16, or an eighth of the sequential zones of a
    // small device, and one at least.
    std::optional<unsigned> reserved_sequential = {};
    std::string label = "reflux";  // at most 31 bytes
};

struct DmZonedLayout {
    std::uint64_t zone_blocks = 0;  // blocks of 4 KiB in a zone
    unsigned zones = 0;             // all of the device, unusable ones too
    unsigned reserved_sequential = 0;
    unsigned chunks = 0;            // of the size of a zone, that the mapping has
    unsigned map_blocks = 0;        // a table of chunks, 8 bytes each
    unsigned bitmap_blocks = 0;     // a bit for each block of each zone, a block for each zone at least
    unsigned metadata_zones = 0;    // of one set; there are two, one behind the other
    std::uint64_t first_block = 0;  // of the first set: the first usable conventional zone

    // Of a set: superblock, map, bitmaps.
    [[nodiscard]] unsigned metadata_blocks() const { return 1 + map_blocks + bitmap_blocks; }
    [[nodiscard]] std::uint64_t set_block(unsigned set) const {
        return first_block + set * metadata_zones * zone_blocks;
    }
    // What the kernel exposes: dmz_ctr() in dm-zoned-target.c.
    [[nodiscard]] Sector size() const { return {chunks * zone_blocks * (metadata_block_size / sector_size)}; }
};

// invalid_input: dm-zoned does not take such a device, and why.
Result<DmZonedLayout> dm_zoned_layout(const std::vector<DeviceZone>& zones, const DmZonedOptions& options);

struct DmZonedIdentity {
    std::string label;
    std::array<std::byte, 16> uuid{};         // of the mapping, the same in both sets; not zero
    std::array<std::byte, 16> device_uuid{};  // not zero
};

// The superblock of set 0 or 1, of generation 1: the kernel takes set 0 as the primary one.
Result<MetadataBlock> dm_zoned_superblock(const DmZonedLayout& layout, const DmZonedIdentity& identity,
                                          unsigned set);
// Of a block of the map: no chunk has a zone yet.
MetadataBlock dm_zoned_unmapped();

// Chunks of a mapping, from a superblock of any generation; invalid_input when it is none.
Result<std::uint32_t> dm_zoned_chunks(const MetadataBlock& superblock);

}  // namespace reflux::stack
