// The rules of a translated disk: which zone serves a read, where a write goes, what reclaim does, when a
// zone is free again. After dm-zoned; docs/translation.md says what is the same and what is not. Pure: the
// caller does the I/O. No allocation after construction; not thread-safe.
//
// Who writes or discards in a chunk, or reclaims it, does so alone, from asking where to the report of having
// done it; reads of a chunk go on together. A zone that a chunk gives up is free only when a commit that
// began later is durable, for until then the metadata on the disk may still speak of it.
#pragma once

#include "backend/map/chunk_map.h"
#include "backend/map/map_check.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace reflux::map {

// Blocks of a chunk that one zone serves; they lie at the same place in it. No zone: they read as zeroes.
struct BlockRun {
    std::optional<ZoneId> zone;
    std::uint64_t block = 0;
    std::uint64_t count = 0;

    bool operator==(const BlockRun&) const = default;
};

// Blocks [from, end) of the chunk are to be copied to the same place in `target`, holes as zeroes. Without a
// target nothing is to be copied.
struct ReclaimPlan {
    std::uint64_t chunk = 0;
    std::optional<ZoneId> target;
    std::uint64_t from = 0;
    std::uint64_t end = 0;
};

// Percent of the random zones that are free.
struct ReclaimThresholds {
    unsigned idle = 50;    // below it an idle disk is reclaimed
    unsigned urgent = 30;  // below it any is
};

struct MapSummary {
    std::uint64_t chunks = 0;
    std::uint64_t mapped = 0;       // chunks with a data zone
    std::uint64_t random_data = 0;  // of them in a random zone
    std::uint64_t buffered = 0;     // with a buffer zone
    std::uint64_t random_zones = 0;
    std::uint64_t random_free = 0;
    std::uint64_t sequential_zones = 0;
    std::uint64_t sequential_free = 0;
    std::uint64_t awaiting_commit = 0;  // zones of either kind that a commit sets free
    std::uint64_t awaiting_reset = 0;   // sequential zones that a reset sets free
};

class Translation {
  public:
    // Refused, as damage: a map that cannot be, or speaks of blocks that were never written. `zones`: of all
    // zones of the disk below, up to layout().zone_end().
    static Result<Translation> make(ChunkMap map, std::span<const ZoneState> zones);

    [[nodiscard]] const MapLayout& layout() const { return map_.layout(); }
    [[nodiscard]] ChunkMap& map() { return map_; }
    [[nodiscard]] const ChunkMap& map() const { return map_; }

    // Where blocks from `block` on, `count` at most, are to be read.
    [[nodiscard]] BlockRun read(std::uint64_t chunk, std::uint64_t block, std::uint64_t count) const;

    // Where the first of these blocks are to be written now; a chunk may get a zone by that. Nothing: no
    // zone is free, and reclaim or a commit must come first.
    std::optional<BlockRun> place(std::uint64_t chunk, std::uint64_t block, std::uint64_t count);
    // What place() answered has been written: it is valid now.
    void written(std::uint64_t chunk, const BlockRun& run);
    // They read as zeroes from now on; zones of which nothing is valid any more are given up.
    void discard(std::uint64_t chunk, std::uint64_t block, std::uint64_t count);

    // Whether the free random zones are fewer than this percentage of all.
    [[nodiscard]] bool is_below(unsigned percent) const {
        return free_random_.size() * 100 < percent * layout().random_count();
    }
    // The chunk whose random zone was written the longest time ago, those first of whose zone nothing is
    // valid. Nothing: no random zone is mapped.
    [[nodiscard]] std::optional<std::uint64_t> pick() const;
    // What is to be done to take the chunk's random zone from it. Nothing: it has none, or no sequential zone
    // is free.
    std::optional<ReclaimPlan> begin_reclaim(std::uint64_t chunk);
    void finish_reclaim(const ReclaimPlan& plan);
    // It failed when blocks up to `written` were copied.
    void abandon_reclaim(const ReclaimPlan& plan, std::uint64_t written);

    // The zones given up so far are free when the commit that begins now has ended well.
    void begin_commit();
    void end_commit(bool durable);
    [[nodiscard]] bool has_given_up() const { return !given_up_.empty(); }
    // A sequential zone to be reset; it is free when reset_done is called. Nothing: there is none.
    std::optional<ZoneId> take_reset();
    void reset_done(ZoneId zone, bool done);
    [[nodiscard]] bool has_resets() const { return !to_reset_.empty(); }

    [[nodiscard]] MapSummary summary() const;

  private:
    explicit Translation(ChunkMap map);
    void note_entry(std::uint64_t chunk);
    void find_free(std::span<const ZoneState> zones, const MapCheck& check);

    [[nodiscard]] std::uint64_t& pointer(ZoneId zone) {
        return written_[zone.value - layout().sequential_first()];
    }
    [[nodiscard]] std::size_t random_index(ZoneId zone) const { return zone.value - layout().random_first(); }
    // Gives the chunk a data zone for a write there; or nothing.
    std::optional<ZoneId> map_data(std::uint64_t chunk, std::uint64_t block, std::uint64_t count);
    std::optional<ZoneId> map_random(std::uint64_t chunk, ChunkEntry entry, Part part);
    void set_entry(std::uint64_t chunk, const ChunkEntry& entry);
    void give_up(ZoneId zone);
    void drop_unused(std::uint64_t chunk);

    ChunkMap map_;
    std::vector<std::uint64_t> written_;  // write pointers of the sequential zones, blocks
    // Of each random zone: the chunk that has it, and when it was written last.
    struct RandomZone {
        std::optional<std::uint64_t> chunk;
        std::uint64_t last_write = 0;
    };
    std::vector<RandomZone> random_;
    std::uint64_t clock_ = 0;  // of writes
    std::uint64_t mapped_ = 0;
    // Zones that no chunk has; all have room for every zone.
    std::vector<ZoneId> free_random_;
    std::vector<ZoneId> free_sequential_;
    std::vector<ZoneId> given_up_;    // awaiting the next commit
    std::vector<ZoneId> committing_;  // awaiting the one that goes on
    std::vector<ZoneId> to_reset_;
};

}  // namespace reflux::map
