// All zones of a disk: checks requests against them and keeps their state. Pure, 16 bytes a zone, no
// allocation after construction. Not thread-safe: the owner (ZonedDevice) holds a mutex around each call.
#pragma once

#include "backend/zone/zone.h"
#include "backend/zone/zoned_geometry.h"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace reflux {

// One line of a zone report: struct blk_zone in bytes.
struct ZoneDescriptor {
    Bytes start;
    Bytes length;
    Bytes capacity;       // how much of it can be written
    Bytes write_pointer;  // absolute; valid where has_write_pointer
    bool has_write_pointer = false;
    ZoneType type = ZoneType::conventional;
    ZoneCondition condition = ZoneCondition::not_write_pointer;

    bool operator==(const ZoneDescriptor&) const = default;
};

// How many zones are in each condition.
class ZoneSummary {
  public:
    [[nodiscard]] std::uint64_t count(ZoneCondition condition) const {
        return counts_[static_cast<std::size_t>(condition)];
    }
    void add(ZoneCondition condition) { ++counts_[static_cast<std::size_t>(condition)]; }
    void remove(ZoneCondition condition) { --counts_[static_cast<std::size_t>(condition)]; }

  private:
    std::array<std::uint64_t, 16> counts_{};
};

class ZoneTable {
  public:
    // A new disk: the geometry's conventional zones, then empty zones of the type that its model has.
    static ZoneTable fresh(const ZonedGeometry& geometry);
    // Zones as they were saved. Refused: a wrong number of zones, or an inconsistent zone (named), one whose
    // type is not the geometry's among them.
    static Result<ZoneTable> restore(const ZonedGeometry& geometry, std::vector<Zone> zones);

    [[nodiscard]] const ZonedGeometry& geometry() const { return geometry_; }
    [[nodiscard]] const Zone& zone(ZoneId id) const { return zones_[id.value]; }
    [[nodiscard]] const ZoneSummary& summary() const { return summary_; }
    [[nodiscard]] ZoneDescriptor describe(ZoneId id) const;
    // Describes zones from `first` on until `out` is full; returns how many.
    std::size_t report(ZoneId first, std::span<ZoneDescriptor> out) const;

    // May the range be written, or read, now? A write may cross the borders of conventional and
    // sequential-write-preferred zones, never that of a sequential-write-required one (ZBC-2 clause 4.4.3).
    // Writers of a sequential-write-required zone keep one write in flight in it, as Linux' zone write
    // locking does: the write pointer moves when record_write is called, not here. Ranges are in bytes and
    // need not be whole logical blocks: FUSE cuts one aligned write(2) from unaligned memory into requests
    // that are not. Front ends that speak in blocks cannot ask for less.
    [[nodiscard]] ZoneError check_write(Extent extent) const;
    [[nodiscard]] ZoneError check_read(Extent extent) const;
    // A write that check_write had allowed has completed. True when a zone's state changed.
    bool record_write(Extent extent);

    // Zone management; see zone.h. An id beyond the disk is out_of_range.
    ZoneError open(ZoneId id);
    ZoneError close(ZoneId id);
    ZoneError finish(ZoneId id);
    ZoneError reset(ZoneId id);
    // Power cycle of all zones; true when any changed.
    bool power_cycle();

  private:
    ZoneTable(const ZonedGeometry& geometry, std::vector<Zone> zones);
    template <class Change>
    bool change(ZoneId id, Change apply);
    template <class Manage>
    ZoneError manage(ZoneId id, Manage command);

    ZonedGeometry geometry_;
    std::vector<Zone> zones_;
    ZoneSummary summary_;
};

}  // namespace reflux
