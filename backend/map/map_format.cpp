#include "backend/map/map_format.h"

#include "backend/base/checksum.h"
#include "backend/base/little_endian.h"

#include <algorithm>
#include <string_view>

namespace reflux::map {
namespace {

constexpr std::string_view magic = "REFLUXMP";
constexpr std::uint32_t version = 1;

namespace at {
// Superblock; the magic is at 0.
constexpr std::size_t version = 8;
constexpr std::size_t checksum = 12;
constexpr std::size_t generation = 16;
constexpr std::size_t zone_size = 24;
constexpr std::size_t chunk_count = 32;
constexpr std::size_t random_first = 40;
constexpr std::size_t sequential_first = 48;
constexpr std::size_t sequential_count = 56;
constexpr std::size_t digest = 64;
// Block of the map.
constexpr std::size_t words_checksum = 0;
constexpr std::size_t words_index = 4;
constexpr std::size_t words_generation = 8;
constexpr std::size_t words = 16;
}  // namespace at

static_assert(at::words + words_per_block * sizeof(std::uint64_t) == block_size);

bool has_magic(MapBlockView block) {
    return std::equal(magic.begin(), magic.end(), block.begin(),
                      [](char a, std::byte b) { return static_cast<std::byte>(a) == b; });
}

}  // namespace

void encode(const MapSuperblock& superblock, const MapLayout& layout, MapBlock block) {
    std::ranges::fill(block, std::byte{});
    std::ranges::transform(magic, block.begin(), [](char c) { return static_cast<std::byte>(c); });
    put(block, at::version, version);
    put(block, at::generation, superblock.generation);
    put(block, at::zone_size, layout.zone_size().value);
    put(block, at::chunk_count, layout.chunk_count());
    put(block, at::random_first, layout.random_first());
    put(block, at::sequential_first, layout.sequential_first());
    put(block, at::sequential_count, layout.sequential_count());
    put(block, at::digest, superblock.digest);
    put(block, at::checksum, checksum_of(block, at::checksum));
}

SuperblockState decode(MapBlockView block, const MapLayout& layout, MapSuperblock& superblock) {
    if (std::ranges::all_of(block, [](std::byte byte) { return byte == std::byte{}; })) {
        return SuperblockState::blank;
    }
    if (!has_magic(block) || get<std::uint32_t>(block, at::checksum) != checksum_of(block, at::checksum)) {
        return SuperblockState::damaged;
    }
    const auto is = [&](std::size_t field, std::uint64_t value) {
        return get<std::uint64_t>(block, field) == value;
    };
    if (get<std::uint32_t>(block, at::version) != version || !is(at::zone_size, layout.zone_size().value) ||
        !is(at::chunk_count, layout.chunk_count()) || !is(at::random_first, layout.random_first()) ||
        !is(at::sequential_first, layout.sequential_first()) ||
        !is(at::sequential_count, layout.sequential_count())) {
        return SuperblockState::foreign_layout;
    }
    superblock = {.generation = get<std::uint64_t>(block, at::generation),
                  .digest = get<std::uint32_t>(block, at::digest)};
    return SuperblockState::whole;
}

void encode_words(std::span<const std::uint64_t> words, std::uint64_t index, std::uint64_t generation,
                  MapBlock block) {
    std::ranges::fill(block, std::byte{});
    put(block, at::words_index, static_cast<std::uint32_t>(index));
    put(block, at::words_generation, generation);
    for (std::size_t i = 0; i < words.size(); ++i) {
        put(block, at::words + i * sizeof(std::uint64_t), words[i]);
    }
    put(block, at::words_checksum, checksum_of(block, at::words_checksum));
}

bool decode_words(MapBlockView block, std::uint64_t index, std::uint64_t generation,
                  std::span<std::uint64_t> words) {
    if (get<std::uint32_t>(block, at::words_checksum) != checksum_of(block, at::words_checksum) ||
        get<std::uint32_t>(block, at::words_index) != index ||
        get<std::uint64_t>(block, at::words_generation) > generation) {
        return false;
    }
    for (std::size_t i = 0; i < words.size(); ++i) {
        words[i] = get<std::uint64_t>(block, at::words + i * sizeof(std::uint64_t));
    }
    return true;
}

void Digest::set(std::uint64_t index, MapBlockView block) {
    std::copy_n(block.begin() + at::words_checksum, 4,
                checksums_.begin() + static_cast<long>(4 * (index + 1)));
}

std::uint32_t Digest::value() const {
    return checksum_of(checksums_, 0);
}

}  // namespace reflux::map
