// What must hold of a translation's map, beyond its checksums; and the whole of its metadata looked at by
// fsck.
#pragma once

#include "backend/map/map_reader.h"

#include <string>

namespace reflux::map {

// What a zone of the disk below is, when the translation begins.
struct ZoneState {
    std::uint64_t written = 0;  // write pointer, blocks; one that is no whole block counts as a full zone
    bool usable = true;         // neither read-only nor offline
};

// Whether the sequential zones are all empty, as they are before a first write to the translated disk.
bool is_never_used(const MapLayout& layout, std::span<const ZoneState> zones);

// Pure; `map` and `zones` outlive it.
class MapCheck {
  public:
    // `zones`: of all zones of the disk below, up to layout().zone_end().
    MapCheck(const ChunkMap& map, std::span<const ZoneState> zones);

    // Why this chunk's part of the map cannot be, or nothing: its bitmaps contradict each other or its zones;
    // a zone is none of the translation's, of the wrong kind for its use, or mapped already; blocks are valid
    // that were never written. To be asked of each chunk once, in any order.
    [[nodiscard]] std::optional<std::string> contradiction(std::uint64_t chunk);
    [[nodiscard]] bool is_mapped(ZoneId zone) const { return owner_[zone.value] != 0; }

  private:
    [[nodiscard]] std::optional<std::string> wrong_zone(std::uint64_t chunk, ZoneId zone);

    const ChunkMap& map_;
    std::span<const ZoneState> zones_;
    std::vector<std::uint64_t> owner_;  // of each zone the chunk + 1, or 0
};

// A line each.
struct MapFindings {
    std::vector<std::string> fatal;       // the disk cannot be served
    std::vector<std::string> repairable;  // damage for which an intact set stands in
    std::vector<std::string> notes;       // no damage: what a loss of power can leave, and worn zones
};

// Reads all metadata. Only a read that fails is an error.
Result<MapFindings> check_map(LowerDisk& disk, const MapLayout& layout, std::span<const ZoneState> zones);
// Writes the set that does not count anew, as a commit: from the one that does, which is not touched; then
// both are whole. Refused: metadata with a fatal finding. A new disk stays one.
Status repair_map(LowerDisk& disk, const MapLayout& layout, std::span<const ZoneState> zones);

}  // namespace reflux::map
