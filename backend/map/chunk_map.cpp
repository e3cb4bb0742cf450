#include "backend/map/chunk_map.h"

#include <bit>

namespace reflux::map {
namespace {

constexpr std::uint64_t word_bits = 64;
constexpr unsigned buffer_shift = 32;
constexpr std::uint64_t zone_mask = 0xffffffff;

// Zone ids are stored from 1 on, so that words of zeroes are unmapped chunks.
std::uint64_t encode(const std::optional<ZoneId>& zone) {
    return zone ? zone->value + 1 : 0;
}

std::optional<ZoneId> decode(std::uint64_t field) {
    return field == 0 ? std::nullopt : std::optional(ZoneId{field - 1});
}

// Of a word's bits, those in [from, from + count).
std::uint64_t mask_of(std::uint64_t from, std::uint64_t count) {
    const std::uint64_t low = count >= word_bits ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
    return low << from;
}

// How many bits from `at` on, `most` at most, are as the one at `at`.
std::uint64_t same_bits(std::span<const std::uint64_t> bits, std::uint64_t at, std::uint64_t most) {
    const bool value = (bits[at / word_bits] >> (at % word_bits) & 1U) != 0;
    std::uint64_t length = 0;
    while (length < most) {
        const std::uint64_t from = (at + length) % word_bits;
        const std::uint64_t word = bits[(at + length) / word_bits] >> from;
        const auto same = static_cast<std::uint64_t>(value ? std::countr_one(word) : std::countr_zero(word));
        length += std::min(same, word_bits - from);
        if (same < word_bits - from) {
            break;
        }
    }
    return std::min(length, most);
}

}  // namespace

ChunkMap::ChunkMap(const MapLayout& layout) : layout_(layout), words_(layout.word_count()) {
    for (std::size_t set = 0; set < metadata_sets; ++set) {
        dirty_[set].assign(layout.metadata_blocks(), true);
        dirty_count_[set] = layout.metadata_blocks();
    }
}

void ChunkMap::set_dirty(std::size_t set, std::uint64_t index, bool dirty) {
    if (dirty_[set][index] != dirty) {
        dirty_[set][index] = dirty;
        dirty_count_[set] += dirty ? 1 : std::uint64_t(-1);
    }
}

void ChunkMap::change(std::size_t word, std::uint64_t value) {
    if (words_[word] == value) {
        return;
    }
    words_[word] = value;
    for (std::size_t set = 0; set < metadata_sets; ++set) {
        set_dirty(set, word / words_per_block, true);
    }
}

std::span<const std::uint64_t> ChunkMap::block_words(std::uint64_t index) const {
    const std::uint64_t first = index * words_per_block;
    return std::span(words_).subspan(first, std::min(words_per_block, words_.size() - first));
}

std::span<std::uint64_t> ChunkMap::block_words(std::uint64_t index) {
    const std::uint64_t first = index * words_per_block;
    return std::span(words_).subspan(first, std::min(words_per_block, words_.size() - first));
}

ChunkEntry ChunkMap::entry(std::uint64_t chunk) const {
    const std::uint64_t word = words_[chunk];
    return {.data = decode(word & zone_mask), .buffer = decode(word >> buffer_shift)};
}

void ChunkMap::set_entry(std::uint64_t chunk, const ChunkEntry& entry) {
    change(chunk, encode(entry.data) | encode(entry.buffer) << buffer_shift);
}

bool ChunkMap::is_valid(std::uint64_t chunk, Part part, std::uint64_t block) const {
    return (bitmap(chunk, part)[block / word_bits] >> (block % word_bits) & 1U) != 0;
}

void ChunkMap::fill(std::uint64_t chunk, Part part, std::uint64_t block, std::uint64_t count, bool valid) {
    const std::size_t first = bitmap_at(chunk, part);
    while (count > 0) {
        const std::uint64_t from = block % word_bits;
        const std::uint64_t here = std::min(count, word_bits - from);
        const std::size_t word = first + block / word_bits;
        const std::uint64_t mask = mask_of(from, here);
        change(word, valid ? words_[word] | mask : words_[word] & ~mask);
        block += here;
        count -= here;
    }
}

void ChunkMap::set_valid(std::uint64_t chunk, Part part, std::uint64_t block, std::uint64_t count) {
    fill(chunk, Part::data, block, count, part == Part::data);
    fill(chunk, Part::buffer, block, count, part == Part::buffer);
}

void ChunkMap::set_invalid(std::uint64_t chunk, std::uint64_t block, std::uint64_t count) {
    fill(chunk, Part::data, block, count, false);
    fill(chunk, Part::buffer, block, count, false);
}

void ChunkMap::merge(std::uint64_t chunk) {
    const std::size_t data = bitmap_at(chunk, Part::data);
    const std::size_t buffer = bitmap_at(chunk, Part::buffer);
    for (std::uint64_t i = 0; i < layout_.bitmap_words(); ++i) {
        change(data + i, words_[data + i] | words_[buffer + i]);
        change(buffer + i, 0);
    }
}

std::uint64_t ChunkMap::run(std::uint64_t chunk, std::uint64_t block, std::uint64_t most) const {
    most = std::min(most, layout_.zone_blocks() - block);
    return same_bits(bitmap(chunk, Part::buffer), block, same_bits(bitmap(chunk, Part::data), block, most));
}

bool ChunkMap::any_valid(std::uint64_t chunk, Part part) const {
    return valid_end(chunk, part) != 0;
}

std::uint64_t ChunkMap::first_valid(std::uint64_t chunk, Part part) const {
    return is_valid(chunk, part, 0) ? 0 : same_bits(bitmap(chunk, part), 0, layout_.zone_blocks());
}

std::uint64_t ChunkMap::valid_end(std::uint64_t chunk, Part part) const {
    const auto bits = bitmap(chunk, part);
    for (std::uint64_t word = bits.size(); word > 0; --word) {
        if (bits[word - 1] != 0) {
            return word * word_bits - static_cast<std::uint64_t>(std::countl_zero(bits[word - 1]));
        }
    }
    return 0;
}

bool ChunkMap::is_consistent(std::uint64_t chunk) const {
    const auto data = bitmap(chunk, Part::data);
    const auto buffer = bitmap(chunk, Part::buffer);
    for (std::uint64_t i = 0; i < data.size(); ++i) {
        if ((data[i] & buffer[i]) != 0) {
            return false;
        }
    }
    const ChunkEntry zones = entry(chunk);
    return valid_end(chunk, Part::data) <= (zones.data ? layout_.zone_blocks() : 0) &&
           valid_end(chunk, Part::buffer) <= (zones.buffer ? layout_.zone_blocks() : 0);
}

}  // namespace reflux::map
