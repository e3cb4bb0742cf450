#include "backend/map/map_store.h"

#include <algorithm>

namespace reflux::map {
namespace {

// What one write carries at most.
constexpr std::uint64_t write_blocks_at_once = 64;

MapBlock block_of(std::span<std::byte> buffer, std::uint64_t index) {
    return buffer.subspan(index * block_size).first<block_size>();
}

tl::unexpected<Error> damaged(std::string_view what) {
    return fail(ErrorKind::invalid_input, fmt::format("damaged: the translation's metadata: {}", what));
}

}  // namespace

MapStore::MapStore(const MapLayout& layout, io::BufferPool buffer)
    : layout_(layout),
      words_(layout.word_count()),
      to_write_(layout.metadata_blocks()),
      digests_{Digest(layout), Digest(layout)},
      buffer_(std::move(buffer)) {}

// The state of a set: whole, with its map; whole by its superblock alone is damaged.
Result<SuperblockState> MapStore::read_set(LowerDisk& disk, std::size_t set, MapSuperblock& superblock,
                                           ChunkMap& map) {
    const auto buffer = buffer_.buffer(0);
    const MapBlock block = block_of(buffer, 0);
    set_ = set;
    if (const int error = disk.read(layout_.set_offset(set), block); error != 0) {
        return fail_errno("read the translation's metadata", error);
    }
    const auto state = decode(block, layout_, superblock);
    if (state != SuperblockState::whole) {
        return state;
    }
    for (std::uint64_t first = 0; first < layout_.metadata_blocks(); first += write_blocks_at_once) {
        const std::uint64_t count = std::min(write_blocks_at_once, layout_.metadata_blocks() - first);
        if (const int error = disk.read(block_offset(first), buffer.first(count * block_size)); error != 0) {
            return fail_errno("read the translation's metadata", error);
        }
        for (std::uint64_t i = 0; i < count; ++i) {
            if (!decode_words(block_of(buffer, i), first + i, superblock.generation,
                              map.block_words(first + i))) {
                return SuperblockState::damaged;
            }
            digests_[set].set(first + i, block_of(buffer, i));
        }
    }
    return digests_[set].value() == superblock.digest ? SuperblockState::whole : SuperblockState::damaged;
}

Result<MapStore::Loaded> MapStore::load(LowerDisk& disk, const MapLayout& layout, bool never_used) {
    REFLUX_TRY(auto buffer, io::BufferPool::make(write_blocks_at_once * block_size, 1));
    MapStore store(layout, std::move(buffer));
    std::array<ChunkMap, metadata_sets> maps{ChunkMap(layout), ChunkMap(layout)};
    std::array<MapSuperblock, metadata_sets> superblocks;
    std::array<SuperblockState, metadata_sets> states{};
    for (std::size_t set = 0; set < metadata_sets; ++set) {
        REFLUX_TRY(states[set], store.read_set(disk, set, superblocks[set], maps[set]));
        if (states[set] == SuperblockState::foreign_layout) {
            return damaged("it is of a disk of another shape, or of another version of refluxd");
        }
    }
    const auto has = [&](SuperblockState state) { return std::ranges::count(states, state); };
    if (has(SuperblockState::whole) == 0) {
        // A commit that never came to its end leaves no superblock.
        if (never_used && has(SuperblockState::blank) > 0) {
            store.set_ = 0;
            return Loaded{.store = std::move(store), .map = ChunkMap(layout)};
        }
        return damaged("neither of its two sets is whole");
    }
    const bool first_is_newer =
        states[1] != SuperblockState::whole ||
        (states[0] == SuperblockState::whole && superblocks[0].generation > superblocks[1].generation);
    const std::size_t newest = first_is_newer ? 0 : 1;
    const std::size_t other = 1 - newest;
    // A set with an intact superblock was whole once: the older one is then what a later commit left behind.
    if (superblocks[other].generation > superblocks[newest].generation) {
        return damaged("the newer of its two sets");
    }
    store.set_ = other;
    store.generation_ = superblocks[newest].generation;
    for (std::uint64_t index = 0; index < layout.metadata_blocks(); ++index) {
        maps[newest].set_dirty(newest, index, false);
    }
    return Loaded{.store = std::move(store), .map = std::move(maps[newest])};
}

bool MapStore::snapshot(ChunkMap& map) {
    // The other set has the newest state: where it has seen everything there is nothing to commit.
    if (!map.any_dirty(1 - set_)) {
        return false;
    }
    for (std::uint64_t index = 0; index < to_write_.size(); ++index) {
        to_write_[index] = map.is_dirty(set_, index);
        if (to_write_[index]) {
            std::ranges::copy(std::as_const(map).block_words(index),
                              words_.begin() + static_cast<std::ptrdiff_t>(index * words_per_block));
            map.set_dirty(set_, index, false);
        }
    }
    return true;
}

int MapStore::write_out(LowerDisk& disk) {
    int error = write_blocks(disk);
    if (error == 0) {
        error = disk.flush();
    }
    if (error != 0) {
        return error;
    }
    error = write_superblock(disk);
    if (error == 0) {
        error = disk.flush();
    }
    if (error != 0) {
        is_broken_ = true;
        return error;
    }
    ++generation_;
    set_ = 1 - set_;
    return 0;
}

void MapStore::take_back(ChunkMap& map) const {
    for (std::uint64_t index = 0; index < to_write_.size(); ++index) {
        if (to_write_[index]) {
            map.set_dirty(set_, index, true);
        }
    }
}

int MapStore::write_blocks(LowerDisk& disk) {
    const auto buffer = buffer_.buffer(0);
    std::uint64_t index = 0;
    while (index < to_write_.size()) {
        if (!to_write_[index]) {
            ++index;
            continue;
        }
        const std::uint64_t first = index;
        for (; index < to_write_.size() && to_write_[index] && index - first < write_blocks_at_once;
             ++index) {
            const std::uint64_t from = index * words_per_block;
            const auto words =
                std::span(words_).subspan(from, std::min(words_per_block, words_.size() - from));
            const MapBlock block = block_of(buffer, index - first);
            encode_words(words, index, generation_ + 1, block);
            digests_[set_].set(index, block);
        }
        const auto bytes = buffer.first((index - first) * block_size);
        if (const int error = disk.write(block_offset(first), bytes); error != 0) {
            return error;
        }
    }
    return 0;
}

int MapStore::write_superblock(LowerDisk& disk) {
    const MapBlock block = block_of(buffer_.buffer(0), 0);
    encode({.generation = generation_ + 1, .digest = digests_[set_].value()}, layout_, block);
    return disk.write(layout_.set_offset(set_), block);
}

}  // namespace reflux::map
