// The bytes of a translation's metadata; docs/translation.md has the tables. Pure.
#pragma once

#include "backend/map/map_layout.h"

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace reflux::map {

using MapBlock = std::span<std::byte, block_size>;
using MapBlockView = std::span<const std::byte, block_size>;

// What makes a set whole: written last.
struct MapSuperblock {
    std::uint64_t generation = 0;  // counts commits up from 1
    std::uint32_t digest = 0;      // of all blocks of the set
};

void encode(const MapSuperblock& superblock, const MapLayout& layout, MapBlock block);
// What can stand in a superblock's place.
enum class SuperblockState { blank, damaged, foreign_layout, whole };
// blank: zeroes, never written. foreign_layout: intact, and of a disk of another shape or another version.
SuperblockState decode(MapBlockView block, const MapLayout& layout, MapSuperblock& superblock);

void encode_words(std::span<const std::uint64_t> words, std::uint64_t index, std::uint64_t generation,
                  MapBlock block);
// False: it is damaged, another block, or younger than `generation`.
bool decode_words(MapBlockView block, std::uint64_t index, std::uint64_t generation,
                  std::span<std::uint64_t> words);

// The checksums of a set's blocks; the digest is the checksum of them.
class Digest {
  public:
    explicit Digest(const MapLayout& layout) : checksums_(4 * (layout.metadata_blocks() + 1)) {}
    void set(std::uint64_t index, MapBlockView block);
    [[nodiscard]] std::uint32_t value() const;

  private:
    std::vector<std::byte> checksums_;  // behind four zeroes
};

}  // namespace reflux::map
