// Where everything of a translated disk lies on the host-managed disk below it. Pure arithmetic.
//
// The conventional zones hold the two sets of metadata, then the random zones: the cache for writes that no
// sequential zone takes. The sequential zones hold the chunks, one each; some are kept back for reclaim.
// docs/translation.md has the picture.
#pragma once

#include "backend/zone/zoned_geometry.h"

#include <cstdint>

namespace reflux::map {

// The unit of validity, as in dm-zoned.
inline constexpr std::uint64_t block_size = 4096;
// Words of the map that one block of metadata holds behind its header.
inline constexpr std::uint64_t words_per_block = 510;
inline constexpr std::size_t metadata_sets = 2;

class MapLayout {
  public:
    // Never mapped all at once: a reclaimed chunk is copied into one while another waits for the commit that
    // frees it.
    static constexpr std::uint64_t reserved_sequential = 2;
    // One that a write waits for, one that is being freed.
    static constexpr std::uint64_t fewest_random = 2;

    // Refused with what is needed: a disk that is not host-managed, one whose zones cannot be written to
    // their ends, one with a limit of active zones (a chunk's zone may stay half-written for ever), too few
    // conventional or sequential zones.
    static Result<MapLayout> make(const ZonedGeometry& geometry);

    // The translated disk; a chunk is as long as a zone.
    [[nodiscard]] Bytes size() const { return {chunk_count_ * zone_size_.value}; }
    [[nodiscard]] Bytes zone_size() const { return zone_size_; }
    [[nodiscard]] std::uint64_t zone_blocks() const { return zone_size_.value / block_size; }
    [[nodiscard]] std::uint64_t chunk_count() const { return chunk_count_; }

    // Random zones [random_first, sequential_first), sequential ones from there on; a shorter last zone is
    // not used.
    [[nodiscard]] std::uint64_t random_first() const { return metadata_sets * zones_per_set_; }
    [[nodiscard]] std::uint64_t random_count() const { return sequential_first_ - random_first(); }
    [[nodiscard]] std::uint64_t sequential_first() const { return sequential_first_; }
    [[nodiscard]] std::uint64_t sequential_count() const { return sequential_count_; }
    [[nodiscard]] std::uint64_t zone_end() const { return sequential_first_ + sequential_count_; }
    [[nodiscard]] bool is_random(ZoneId zone) const {
        return zone.value >= random_first() && zone.value < sequential_first_;
    }
    [[nodiscard]] bool is_sequential(ZoneId zone) const {
        return zone.value >= sequential_first_ && zone.value < zone_end();
    }

    // The map as words: an entry a chunk, then of each chunk the bitmap of its data zone and that of its
    // buffer zone.
    [[nodiscard]] std::uint64_t bitmap_words() const { return (zone_blocks() + 63) / 64; }
    [[nodiscard]] std::uint64_t word_count() const { return chunk_count_ * (1 + 2 * bitmap_words()); }
    // Blocks of metadata in a set, its superblock not counted, which is the first of the set.
    [[nodiscard]] std::uint64_t metadata_blocks() const {
        return (word_count() + words_per_block - 1) / words_per_block;
    }
    [[nodiscard]] Bytes set_offset(std::size_t set) const {
        return {set * zones_per_set_ * zone_size_.value};
    }

    bool operator==(const MapLayout&) const = default;

  private:
    MapLayout() = default;

    Bytes zone_size_;
    std::uint64_t chunk_count_ = 0;
    std::uint64_t zones_per_set_ = 0;
    std::uint64_t sequential_first_ = 0;
    std::uint64_t sequential_count_ = 0;
};

}  // namespace reflux::map
