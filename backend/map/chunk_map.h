// The part of a translated disk that must outlast a loss of power: which zones each chunk has, and which of
// their blocks are valid. Kept as the very words that the metadata is made of, with a note of what each set
// of metadata has not yet seen. Pure; no allocation after construction; not thread-safe.
#pragma once

#include "backend/map/map_layout.h"

#include <array>
#include <optional>
#include <span>
#include <vector>

namespace reflux::map {

// A chunk without a data zone is unmapped: it reads as zeroes. A buffer zone is a random zone beside a
// sequential data zone.
struct ChunkEntry {
    std::optional<ZoneId> data;
    std::optional<ZoneId> buffer;

    bool operator==(const ChunkEntry&) const = default;
};

// Which of a chunk's zones.
enum class Part : std::uint8_t { data, buffer };

class ChunkMap {
  public:
    // All chunks unmapped; neither set of metadata has seen it.
    explicit ChunkMap(const MapLayout& layout);

    [[nodiscard]] ChunkEntry entry(std::uint64_t chunk) const;
    void set_entry(std::uint64_t chunk, const ChunkEntry& entry);

    // Blocks of a chunk, from its start. A block is valid in one of the parts at most: set_valid keeps that.
    [[nodiscard]] bool is_valid(std::uint64_t chunk, Part part, std::uint64_t block) const;
    // Valid in this part from now on, and in the other no more.
    void set_valid(std::uint64_t chunk, Part part, std::uint64_t block, std::uint64_t count);
    // Valid in neither.
    void set_invalid(std::uint64_t chunk, std::uint64_t block, std::uint64_t count);
    // All that is valid in the buffer is valid in the data zone instead.
    void merge(std::uint64_t chunk);

    // How many blocks from `block` on, `most` at most, are valid in the same part, or in none, as it is.
    [[nodiscard]] std::uint64_t run(std::uint64_t chunk, std::uint64_t block, std::uint64_t most) const;
    [[nodiscard]] bool any_valid(std::uint64_t chunk, Part part) const;
    // Of those valid in the part: the first; zone_blocks() when there is none. And the end of the last one.
    [[nodiscard]] std::uint64_t first_valid(std::uint64_t chunk, Part part) const;
    [[nodiscard]] std::uint64_t valid_end(std::uint64_t chunk, Part part) const;
    // Whether what the words say can stand: no block valid twice, none behind a chunk's end, none where there
    // is no zone.
    [[nodiscard]] bool is_consistent(std::uint64_t chunk) const;

    // --- the metadata
    [[nodiscard]] const MapLayout& layout() const { return layout_; }
    // The words of one block of metadata; the last block has fewer.
    [[nodiscard]] std::span<const std::uint64_t> block_words(std::uint64_t index) const;
    [[nodiscard]] std::span<std::uint64_t> block_words(std::uint64_t index);
    [[nodiscard]] bool is_dirty(std::size_t set, std::uint64_t index) const { return dirty_[set][index]; }
    [[nodiscard]] bool any_dirty(std::size_t set) const { return dirty_count_[set] != 0; }
    void set_dirty(std::size_t set, std::uint64_t index, bool dirty);

  private:
    [[nodiscard]] std::size_t bitmap_at(std::uint64_t chunk, Part part) const {
        const std::uint64_t number = 2 * chunk + static_cast<std::uint64_t>(part);
        return layout_.chunk_count() + number * layout_.bitmap_words();
    }
    [[nodiscard]] std::span<const std::uint64_t> bitmap(std::uint64_t chunk, Part part) const {
        return std::span(words_).subspan(bitmap_at(chunk, part), layout_.bitmap_words());
    }
    void change(std::size_t word, std::uint64_t value);
    void fill(std::uint64_t chunk, Part part, std::uint64_t block, std::uint64_t count, bool valid);

    MapLayout layout_;
    std::vector<std::uint64_t> words_;
    std::array<std::vector<bool>, metadata_sets> dirty_;  // of each block of metadata
    std::array<std::uint64_t, metadata_sets> dirty_count_{};
};

}  // namespace reflux::map
