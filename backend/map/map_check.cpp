#include "backend/map/map_check.h"

#include "backend/map/map_store.h"

#include <algorithm>

namespace reflux::map {
namespace {

std::string damage_of(const MapSet& set) {
    switch (set.superblock_state) {
        case SuperblockState::blank:
            return "is missing";
        case SuperblockState::damaged:
            return "has a damaged superblock";
        case SuperblockState::foreign_layout:
            return "is of a disk of another shape, or of another version of refluxd";
        case SuperblockState::whole:
            break;
    }
    return set.damaged_blocks == 0
               ? "has blocks of several commits"
               : fmt::format("has {} blocks that are damaged or younger than its superblock, the first is {}",
                             set.damaged_blocks, set.first_damaged);
}

// Of the set that does not count.
void judge_other(const MapSets& sets, std::size_t newest, MapFindings& findings) {
    const MapSet& other = sets[1 - newest];
    const std::uint64_t generation = sets[newest].superblock.generation;
    const bool is_first_commit = generation == 1 && other.superblock_state == SuperblockState::blank;
    if (other.is_whole() || is_first_commit) {
        return;
    }
    const std::string line =
        fmt::format("translation: set {} of its metadata {}; set {}, of generation {}, is whole", 1 - newest,
                    damage_of(other), newest, generation);
    if (other.has_superblock()) {
        findings.notes.push_back(line + "; so a commit that was cut short leaves it");
    } else {
        // A superblock is one sector: no loss of power tears it.
        findings.repairable.push_back(line + "; a commit after that one, if there was any, is lost");
    }
}

void judge_chunks(const ChunkMap& map, std::span<const ZoneState> zones, MapFindings& findings) {
    MapCheck check(map, zones);
    for (std::uint64_t chunk = 0; chunk < map.layout().chunk_count(); ++chunk) {
        if (const auto why = check.contradiction(chunk)) {
            findings.fatal.push_back(fmt::format("translation: chunk {}: {}", chunk, *why));
        }
    }
    for (std::uint64_t zone = map.layout().random_first(); zone < map.layout().zone_end(); ++zone) {
        if (check.is_mapped({zone}) && !zones[zone].usable) {
            findings.notes.push_back(
                fmt::format("translation: zone {} holds data and is read-only or offline", zone));
        }
    }
}

struct Judged {
    MapSets sets;
    std::optional<std::size_t> newest;  // none: see findings, or a new disk
    MapFindings findings;
};

Result<Judged> judge(LowerDisk& disk, const MapLayout& layout, std::span<const ZoneState> zones) {
    REFLUX_TRY(auto buffer, io::BufferPool::make(metadata_blocks_at_once * block_size, 1));
    REFLUX_TRY(auto sets, read_sets(disk, layout, buffer.buffer(0)));
    Judged judged{.sets = std::move(sets)};
    const auto chosen = choose_set(judged.sets, is_never_used(layout, zones));
    if (!chosen) {
        for (std::size_t i = 0; i < metadata_sets; ++i) {
            if (!judged.sets[i].is_whole()) {
                judged.findings.fatal.push_back(
                    fmt::format("translation: set {} of its metadata {}", i, damage_of(judged.sets[i])));
            }
        }
        return judged;
    }
    judged.newest = *chosen;
    if (judged.newest) {
        judge_other(judged.sets, *judged.newest, judged.findings);
        judge_chunks(judged.sets[*judged.newest].map, zones, judged.findings);
    }
    return judged;
}

}  // namespace

bool is_never_used(const MapLayout& layout, std::span<const ZoneState> zones) {
    const auto sequential = zones.subspan(layout.sequential_first(), layout.sequential_count());
    return std::ranges::all_of(sequential, [](const ZoneState& zone) { return zone.written == 0; });
}

MapCheck::MapCheck(const ChunkMap& map, std::span<const ZoneState> zones)
    : map_(map), zones_(zones), owner_(map.layout().zone_end()) {}

std::optional<std::string> MapCheck::wrong_zone(std::uint64_t chunk, ZoneId zone) {
    const MapLayout& layout = map_.layout();
    if (!layout.is_random(zone) && !layout.is_sequential(zone)) {
        return fmt::format("zone {} cannot be its own, it is none of those for data", zone.value);
    }
    std::uint64_t& owner = owner_[zone.value];
    if (owner != 0) {
        return fmt::format("zone {} cannot be its own, chunk {} has it", zone.value, owner - 1);
    }
    owner = chunk + 1;
    return std::nullopt;
}

std::optional<std::string> MapCheck::contradiction(std::uint64_t chunk) {
    const ChunkEntry entry = map_.entry(chunk);
    for (const auto& zone : {entry.data, entry.buffer}) {
        if (auto wrong = zone ? wrong_zone(chunk, *zone) : std::nullopt) {
            return wrong;
        }
    }
    const MapLayout& layout = map_.layout();
    if (entry.buffer &&
        (!entry.data || !layout.is_sequential(*entry.data) || !layout.is_random(*entry.buffer))) {
        return fmt::format("zone {} cannot be its buffer", entry.buffer->value);
    }
    if (!map_.is_consistent(chunk)) {
        return "its bitmaps contradict each other, or its zones";
    }
    if (entry.data && layout.is_sequential(*entry.data) &&
        map_.valid_end(chunk, Part::data) > zones_[entry.data->value].written) {
        return fmt::format(
            "blocks of zone {} are valid that were never written; was the disk below changed by another?",
            entry.data->value);
    }
    return std::nullopt;
}

Result<MapFindings> check_map(LowerDisk& disk, const MapLayout& layout, std::span<const ZoneState> zones) {
    REFLUX_TRY(auto judged, judge(disk, layout, zones));
    return std::move(judged.findings);
}

Status repair_map(LowerDisk& disk, const MapLayout& layout, std::span<const ZoneState> zones) {
    {
        REFLUX_TRY(const auto judged, judge(disk, layout, zones));
        if (!judged.findings.fatal.empty()) {
            return fail(ErrorKind::invalid_input, judged.findings.fatal.front());
        }
        const bool is_new = !judged.newest;
        if (is_new || judged.sets[1 - *judged.newest].is_whole()) {
            return {};
        }
    }
    REFLUX_TRY(auto loaded, MapStore::load(disk, layout, false));
    const int error = loaded.store.write_anew(loaded.map, disk);
    return error == 0 ? Status{} : Status(fail_errno("write the translation's metadata", error));
}

}  // namespace reflux::map
