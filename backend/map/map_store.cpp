#include "backend/map/map_store.h"

#include <algorithm>

namespace reflux::map {

MapStore::MapStore(const MapLayout& layout, io::BufferPool buffer)
    : layout_(layout),
      words_(layout.word_count()),
      to_write_(layout.metadata_blocks()),
      digests_{Digest(layout), Digest(layout)},
      buffer_(std::move(buffer)) {}

Result<MapStore::Loaded> MapStore::load(LowerDisk& disk, const MapLayout& layout, bool never_used) {
    REFLUX_TRY(auto buffer, io::BufferPool::make(metadata_blocks_at_once * block_size, 1));
    REFLUX_TRY(auto sets, read_sets(disk, layout, buffer.buffer(0)));
    REFLUX_TRY(const auto newest, choose_set(sets, never_used));
    MapStore store(layout, std::move(buffer));
    if (!newest) {
        return Loaded{.store = std::move(store), .map = ChunkMap(layout)};
    }
    MapSet& chosen = sets[*newest];
    store.set_ = 1 - *newest;
    store.generation_ = chosen.superblock.generation;
    for (std::size_t i = 0; i < metadata_sets; ++i) {
        store.digests_[i] = std::move(sets[i].digest);
    }
    for (std::uint64_t index = 0; index < layout.metadata_blocks(); ++index) {
        chosen.map.set_dirty(*newest, index, false);
    }
    return Loaded{.store = std::move(store), .map = std::move(chosen.map)};
}

bool MapStore::snapshot(ChunkMap& map) {
    // The other set has the newest state: where it has seen everything there is nothing to commit.
    if (!map.any_dirty(1 - set_)) {
        return false;
    }
    take(map);
    return true;
}

void MapStore::take(ChunkMap& map) {
    for (std::uint64_t index = 0; index < to_write_.size(); ++index) {
        to_write_[index] = map.is_dirty(set_, index);
        if (to_write_[index]) {
            std::ranges::copy(std::as_const(map).block_words(index),
                              words_.begin() + static_cast<std::ptrdiff_t>(index * words_per_block));
            map.set_dirty(set_, index, false);
        }
    }
}

int MapStore::write_anew(ChunkMap& map, LowerDisk& disk) {
    take(map);
    return write_out(disk);
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
        for (; index < to_write_.size() && to_write_[index] && index - first < metadata_blocks_at_once;
             ++index) {
            const std::uint64_t from = index * words_per_block;
            const auto words =
                std::span(words_).subspan(from, std::min(words_per_block, words_.size() - from));
            const MapBlock block = block_of(buffer, index - first);
            encode_words(words, index, generation_ + 1, block);
            digests_[set_].set(index, block);
        }
        const auto bytes = buffer.first((index - first) * block_size);
        if (const int error = disk.write(metadata_block_offset(layout_, set_, first), bytes); error != 0) {
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
