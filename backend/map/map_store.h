// The two sets of metadata of a translated disk. Commits go to them in turn: blocks that this set has not
// seen as they are, a flush, the superblock, a flush. So at any moment one set is whole and stays untouched,
// and a loss of power leaves the state of the last commit that has ended or, if it came to its superblock, of
// the one that was going on. The first flush covers the data too: no metadata is durable before what it
// speaks of.
//
// Threads: one commit at a time; its two steps are apart so that only snapshot() excludes changes of the map.
#pragma once

#include "backend/map/map_reader.h"

namespace reflux::map {

class MapStore {
  public:
    struct Loaded;
    // `never_used`: the disk has no data yet, so that missing metadata means a new disk. Refused: metadata
    // that is missing, damaged, or of another disk.
    static Result<Loaded> load(LowerDisk& disk, const MapLayout& layout, bool never_used);

    [[nodiscard]] std::uint64_t generation() const { return generation_; }
    // Takes what the next commit is to write; false: nothing has changed since the last one.
    bool snapshot(ChunkMap& map);
    // Writes it. After an error take_back() makes it part of the next commit, unless is_broken().
    int write_out(LowerDisk& disk);
    void take_back(ChunkMap& map) const;
    // Both steps, even if nothing has changed: the set that does not count becomes whole.
    int write_anew(ChunkMap& map, LowerDisk& disk);
    // It failed when the superblock may or may not have reached the disk: no more can be committed.
    [[nodiscard]] bool is_broken() const { return is_broken_; }

  private:
    MapStore(const MapLayout& layout, io::BufferPool buffer);
    void take(ChunkMap& map);
    int write_blocks(LowerDisk& disk);
    int write_superblock(LowerDisk& disk);

    MapLayout layout_;
    std::size_t set_ = 0;               // the next commit's
    std::uint64_t generation_ = 0;      // of the last commit
    std::vector<std::uint64_t> words_;  // the map as it is to be written; of clean blocks stale
    std::vector<bool> to_write_;
    std::array<Digest, metadata_sets>
        digests_;  // of a set that is not whole stale, and all of it is to be written
    bool is_broken_ = false;
    io::BufferPool buffer_;
};

struct MapStore::Loaded {
    MapStore store;
    ChunkMap map;
};

}  // namespace reflux::map
