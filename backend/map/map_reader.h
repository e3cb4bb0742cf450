// The two sets of a translation's metadata as they stand on the disk, and which of them counts.
#pragma once

#include "backend/io/buffer_pool.h"
#include "backend/map/chunk_map.h"
#include "backend/map/lower_disk.h"
#include "backend/map/map_format.h"

namespace reflux::map {

// Blocks of metadata that are read or written at once.
inline constexpr std::uint64_t metadata_blocks_at_once = 64;

// The block at `index` of a buffer of blocks.
inline MapBlock block_of(std::span<std::byte> buffer, std::uint64_t index) {
    return buffer.subspan(index * block_size).first<block_size>();
}

[[nodiscard]] inline Bytes metadata_block_offset(const MapLayout& layout, std::size_t set,
                                                 std::uint64_t index) {
    return layout.set_offset(set) + Bytes{block_size * (1 + index)};
}

struct MapSet {
    explicit MapSet(const MapLayout& layout) : digest(layout), map(layout) {}

    SuperblockState superblock_state = SuperblockState::blank;
    MapSuperblock superblock;          // where its state is whole
    std::uint64_t damaged_blocks = 0;  // of the map: damaged, misplaced, or younger than the superblock
    std::uint64_t first_damaged = 0;
    Digest digest;
    ChunkMap map;  // complete where the set is whole

    [[nodiscard]] bool has_superblock() const { return superblock_state == SuperblockState::whole; }
    [[nodiscard]] bool is_whole() const {
        return has_superblock() && damaged_blocks == 0 && digest.value() == superblock.digest;
    }
};
using MapSets = std::array<MapSet, metadata_sets>;

// `buffer` has room for metadata_blocks_at_once. Only a read that fails is an error.
Result<MapSets> read_sets(LowerDisk& disk, const MapLayout& layout, std::span<std::byte> buffer);

// Which set is the disk's state. Nothing: it is a new disk, for `never_used`, the sequential zones being
// empty, lets missing metadata mean that. Refused: metadata that is missing, damaged, or of another disk.
Result<std::optional<std::size_t>> choose_set(const MapSets& sets, bool never_used);

}  // namespace reflux::map
