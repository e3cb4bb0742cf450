#include "backend/map/translation.h"

#include <algorithm>

namespace reflux::map {
namespace {

// A chunk whose first write is as long as this, or fills it, from its start on is probably written on: it
// goes to a sequential zone at once and costs no reclaim. What is shorter is more likely a filesystem's
// metadata.
constexpr std::uint64_t stream_blocks = 8;

ZoneId take_last(std::vector<ZoneId>& zones) {
    const ZoneId zone = zones.back();
    zones.pop_back();
    return zone;
}

}  // namespace

Translation::Translation(ChunkMap map)
    : map_(std::move(map)), written_(layout().sequential_count()), random_(layout().random_count()) {
    for (auto* zones : {&free_random_, &free_sequential_, &given_up_, &committing_, &to_reset_}) {
        zones->reserve(layout().zone_end());
    }
}

Result<Translation> Translation::make(ChunkMap map, std::span<const ZoneState> zones) {
    Translation made(std::move(map));
    const MapLayout& layout = made.layout();
    for (std::uint64_t id = layout.sequential_first(); id < layout.zone_end(); ++id) {
        made.pointer({id}) = zones[id].written;
    }
    MapCheck check(made.map_, zones);
    for (std::uint64_t chunk = 0; chunk < layout.chunk_count(); ++chunk) {
        if (const auto why = check.contradiction(chunk)) {
            return fail(ErrorKind::invalid_input,
                        fmt::format("damaged: the translation's map of chunk {}: {}", chunk, *why));
        }
        made.note_entry(chunk);
    }
    made.find_free(zones, check);
    return made;
}

void Translation::note_entry(std::uint64_t chunk) {
    const ChunkEntry entry = map_.entry(chunk);
    for (const auto& zone : {entry.data, entry.buffer}) {
        if (zone && layout().is_random(*zone)) {
            random_[random_index(*zone)].chunk = chunk;
        }
    }
    mapped_ += entry.data ? 1 : 0;
}

void Translation::find_free(std::span<const ZoneState> zones, const MapCheck& check) {
    for (std::uint64_t id = layout().zone_end(); id > layout().random_first(); --id) {
        const ZoneId zone{id - 1};
        if (check.is_mapped(zone) || !zones[zone.value].usable) {
            continue;
        }
        if (layout().is_random(zone)) {
            free_random_.push_back(zone);
        } else {
            (pointer(zone) == 0 ? free_sequential_ : to_reset_).push_back(zone);
        }
    }
}

BlockRun Translation::read(std::uint64_t chunk, std::uint64_t block, std::uint64_t count) const {
    BlockRun run{.block = block, .count = map_.run(chunk, block, count)};
    const ChunkEntry entry = map_.entry(chunk);
    if (map_.is_valid(chunk, Part::data, block)) {
        run.zone = entry.data;
    } else if (map_.is_valid(chunk, Part::buffer, block)) {
        run.zone = entry.buffer;
    }
    return run;
}

std::optional<BlockRun> Translation::place(std::uint64_t chunk, std::uint64_t block, std::uint64_t count) {
    count = std::min(count, layout().zone_blocks() - block);
    const ChunkEntry entry = map_.entry(chunk);
    const auto data = entry.data ? entry.data : map_data(chunk, block, count);
    if (!data || layout().is_random(*data)) {
        return data ? std::optional(BlockRun{.zone = data, .block = block, .count = count}) : std::nullopt;
    }
    const std::uint64_t at = pointer(*data);
    if (block == at) {
        return BlockRun{.zone = data, .block = block, .count = count};
    }
    const auto buffer = entry.buffer ? entry.buffer : map_random(chunk, entry, Part::buffer);
    if (!buffer) {
        return std::nullopt;
    }
    // What reaches the write pointer goes on there.
    const std::uint64_t before = block < at ? std::min(count, at - block) : count;
    return BlockRun{.zone = buffer, .block = block, .count = before};
}

std::optional<ZoneId> Translation::map_data(std::uint64_t chunk, std::uint64_t block, std::uint64_t count) {
    const bool is_stream = block == 0 && count >= std::min(stream_blocks, layout().zone_blocks());
    if (block == 0 && (is_stream || free_random_.empty()) && !free_sequential_.empty()) {
        const ZoneId zone = take_last(free_sequential_);
        set_entry(chunk, {.data = zone});
        return zone;
    }
    return map_random(chunk, {}, Part::data);
}

std::optional<ZoneId> Translation::map_random(std::uint64_t chunk, ChunkEntry entry, Part part) {
    if (free_random_.empty()) {
        return std::nullopt;
    }
    const ZoneId zone = take_last(free_random_);
    (part == Part::data ? entry.data : entry.buffer) = zone;
    random_[random_index(zone)] = {.chunk = chunk, .last_write = clock_};
    set_entry(chunk, entry);
    return zone;
}

void Translation::set_entry(std::uint64_t chunk, const ChunkEntry& entry) {
    mapped_ -= map_.entry(chunk).data ? 1 : 0;
    mapped_ += entry.data ? 1 : 0;
    map_.set_entry(chunk, entry);
}

void Translation::written(std::uint64_t chunk, const BlockRun& run) {
    const ChunkEntry entry = map_.entry(chunk);
    map_.set_valid(chunk, run.zone == entry.data ? Part::data : Part::buffer, run.block, run.count);
    if (layout().is_random(*run.zone)) {
        random_[random_index(*run.zone)].last_write = ++clock_;
    } else {
        pointer(*run.zone) = run.block + run.count;
    }
}

void Translation::discard(std::uint64_t chunk, std::uint64_t block, std::uint64_t count) {
    map_.set_invalid(chunk, block, count);
    drop_unused(chunk);
}

// A buffer of which nothing is valid, and the data zone if that leaves nothing in the chunk.
void Translation::drop_unused(std::uint64_t chunk) {
    ChunkEntry entry = map_.entry(chunk);
    if (entry.buffer && !map_.any_valid(chunk, Part::buffer)) {
        give_up(*entry.buffer);
        entry.buffer.reset();
    }
    if (entry.data && !entry.buffer && !map_.any_valid(chunk, Part::data)) {
        give_up(*entry.data);
        entry.data.reset();
    }
    set_entry(chunk, entry);
}

void Translation::give_up(ZoneId zone) {
    if (layout().is_random(zone)) {
        random_[random_index(zone)].chunk.reset();
    }
    given_up_.push_back(zone);
}

std::optional<std::uint64_t> Translation::pick() const {
    const RandomZone* best = nullptr;
    bool best_is_empty = false;
    for (std::size_t i = 0; i < random_.size(); ++i) {
        const RandomZone& zone = random_[i];
        if (!zone.chunk) {
            continue;
        }
        const ZoneId id{layout().random_first() + i};
        const bool is_data = map_.entry(*zone.chunk).data == id;
        const bool is_empty = !map_.any_valid(*zone.chunk, is_data ? Part::data : Part::buffer);
        if (best == nullptr || is_empty > best_is_empty ||
            (is_empty == best_is_empty && zone.last_write < best->last_write)) {
            best = &zone;
            best_is_empty = is_empty;
        }
    }
    return best == nullptr ? std::nullopt : best->chunk;
}

std::optional<ReclaimPlan> Translation::begin_reclaim(std::uint64_t chunk) {
    const ChunkEntry entry = map_.entry(chunk);
    const bool is_random = entry.data && layout().is_random(*entry.data);
    if (!is_random && !entry.buffer) {
        return std::nullopt;
    }
    const Part part = is_random ? Part::data : Part::buffer;
    ReclaimPlan plan{.chunk = chunk};
    if (!map_.any_valid(chunk, part)) {
        return plan;
    }
    plan.end = std::max(map_.valid_end(chunk, Part::data), map_.valid_end(chunk, Part::buffer));
    if (!is_random && map_.first_valid(chunk, Part::buffer) >= pointer(*entry.data)) {
        plan.target = entry.data;  // it goes on where it was left
        plan.from = pointer(*entry.data);
        return plan;
    }
    if (free_sequential_.empty()) {
        return std::nullopt;
    }
    plan.target = take_last(free_sequential_);
    return plan;
}

void Translation::finish_reclaim(const ReclaimPlan& plan) {
    if (!plan.target) {
        drop_unused(plan.chunk);
        return;
    }
    const ChunkEntry old = map_.entry(plan.chunk);
    pointer(*plan.target) = plan.end;
    map_.merge(plan.chunk);
    set_entry(plan.chunk, {.data = plan.target});
    if (old.data != plan.target) {
        give_up(*old.data);
    }
    if (old.buffer) {
        give_up(*old.buffer);
    }
}

void Translation::abandon_reclaim(const ReclaimPlan& plan, std::uint64_t written) {
    if (!plan.target) {
        return;
    }
    pointer(*plan.target) = written;
    if (map_.entry(plan.chunk).data != plan.target) {
        to_reset_.push_back(*plan.target);
    }
}

void Translation::begin_commit() {
    committing_.insert(committing_.end(), given_up_.begin(), given_up_.end());
    given_up_.clear();
}

void Translation::end_commit(bool durable) {
    for (const ZoneId zone : committing_) {
        if (!durable) {
            given_up_.push_back(zone);
        } else {
            (layout().is_random(zone) ? free_random_ : to_reset_).push_back(zone);
        }
    }
    committing_.clear();
}

std::optional<ZoneId> Translation::take_reset() {
    return to_reset_.empty() ? std::nullopt : std::optional(take_last(to_reset_));
}

void Translation::reset_done(ZoneId zone, bool done) {
    if (done) {
        pointer(zone) = 0;
    }
    (done ? free_sequential_ : to_reset_).push_back(zone);
}

MapSummary Translation::summary() const {
    MapSummary summary{.chunks = layout().chunk_count(),
                       .mapped = mapped_,
                       .random_zones = layout().random_count(),
                       .random_free = free_random_.size(),
                       .sequential_zones = layout().sequential_count(),
                       .sequential_free = free_sequential_.size(),
                       .awaiting_commit = given_up_.size() + committing_.size(),
                       .awaiting_reset = to_reset_.size()};
    for (std::size_t i = 0; i < random_.size(); ++i) {
        if (random_[i].chunk) {
            const bool is_data = map_.entry(*random_[i].chunk).data == ZoneId{layout().random_first() + i};
            ++(is_data ? summary.random_data : summary.buffered);
        }
    }
    return summary;
}

}  // namespace reflux::map
