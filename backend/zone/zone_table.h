// All zones of a disk: checks requests against them and keeps their state. Pure, at most 32 bytes a zone, no
// allocation after construction, and nothing that a single request does takes longer for more zones. Not
// thread-safe: the owner (ZonedDevice) holds a mutex around each call.
//
// Limits of open zones are ZBC-2's (clause 4.4.3, "manage open zone resources"): to open one more, the zone
// that was opened implicitly the longest time ago, of those without a write in flight if there are some, is
// closed; when all are open explicitly the request is
// refused, too_many_open. On a host-aware disk the limit is an optimum: only OPEN is refused for it, a write
// never is. The limit of active zones, open and closed ones, is NVMe ZNS': nothing can be closed for it.
#pragma once

#include "backend/zone/open_queue.h"
#include "backend/zone/zone_report.h"
#include "backend/zone/zoned_geometry.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

namespace reflux {

static_assert(sizeof(Zone) + sizeof(OpenQueue::Link) <= 32, "the memory of one zone");

// How many zones are in each condition.
class ZoneSummary {
  public:
    [[nodiscard]] std::uint64_t count(ZoneCondition condition) const {
        return counts_[static_cast<std::size_t>(condition)];
    }
    [[nodiscard]] std::uint64_t open() const {
        return count(ZoneCondition::implicit_open) + count(ZoneCondition::explicit_open);
    }
    // Open or closed: what ZNS calls active.
    [[nodiscard]] std::uint64_t active() const { return open() + count(ZoneCondition::closed); }
    void add(ZoneCondition condition) { ++counts_[static_cast<std::size_t>(condition)]; }
    void remove(ZoneCondition condition) { --counts_[static_cast<std::size_t>(condition)]; }

  private:
    std::array<std::uint64_t, 16> counts_{};
};

// Where an append goes.
struct Placement {
    ZoneError error = ZoneError::none;
    Extent extent;  // on the disk
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
    ReportAnswer report_matching(const ReportRequest& request, std::span<ZoneDescriptor> out) const;
    // Describes all zones from `first` on until `out` is full; returns how many.
    std::size_t report(ZoneId first, std::span<ZoneDescriptor> out) const {
        return report_matching({.first = first}, out).filled;
    }

    // May the range be written, or read, now? A write may cross the borders of conventional and
    // sequential-write-preferred zones, never that of a sequential-write-required one (ZBC-2 clause 4.4.3).
    // Ranges are in bytes: FUSE cuts one aligned write(2) from unaligned memory into requests that are no
    // whole logical blocks, and where no write pointer forbids it they are taken. A sequential-write-required
    // zone takes whole blocks only (unaligned_write). Front ends that speak in blocks cannot ask for less.
    [[nodiscard]] ZoneError check_write(Extent extent) const;
    // May the range be discarded? No state changes by it. invalid_field: part of it lies in a
    // sequential-write-required zone, where only a reset takes back what was written.
    [[nodiscard]] ZoneError check_discard(Extent extent) const;
    // With unrestricted reads (ZonedShape) what was never written is read as it is; else that is
    // read_invalid_data, and a read may not leave its sequential-write-required zone. On a host-managed disk
    // no read goes from a conventional zone into a sequential one, as no disk and no emulation lets it.
    [[nodiscard]] ZoneError check_read(Extent extent) const;

    // A write in two steps: begin_write before its I/O (check_write, then the zone is implicitly open), and
    // record_write when it has completed, which moves the write pointer, or abandon_write when it has failed.
    // Whoever writes a sequential-write-required zone keeps one write in flight in it, as Linux' zone write
    // locking does; appends count as writes.
    ZoneError begin_write(Extent extent);
    // begin_write at the write pointer of a sequential zone; `length` is of whole logical blocks.
    Placement begin_append(ZoneId id, Bytes length);
    // True when a zone's state changed. Also without begin_write before it: limits are kept then as far as
    // closing other zones keeps them.
    bool record_write(Extent extent);
    void abandon_write(Extent extent);

    // Zone management; see zone.h. An id beyond the disk is out_of_range. Zones that are closed to make room
    // for another keep their write pointer: nothing that outlives a power cycle changes in them.
    ZoneError open(ZoneId id);
    ZoneError close(ZoneId id);
    // On a host-managed disk an empty or closed zone is opened on the way to full: limits apply.
    ZoneError finish(ZoneId id);
    ZoneError reset(ZoneId id);
    // The same with ALL = 1: for closed zones; for open ones; for open and closed ones; for every zone that
    // has a write pointer and is neither read-only nor offline.
    ZoneError open_all();  // all closed ones or, too_many_open, none
    void close_all();
    void finish_all();
    void reset_all();

    // The disk's own doing: a zone of any type becomes read_only or offline for good.
    void degrade(ZoneId id, ZoneCondition to);
    // Sets RESET of a zone that has a write pointer: it is then reported with reset_recommended.
    void recommend_reset(ZoneId id);
    // Power cycle of all zones; true when any changed.
    bool power_cycle();

    // From now on each zone's state stands in its word, too (zone_word.h). One for each zone; they outlive
    // this.
    void keep_in(std::span<std::atomic<std::uint64_t>> words);

  private:
    ZoneTable(const ZonedGeometry& geometry, std::vector<Zone> zones);
    template <class Change>
    bool change(ZoneId id, Change apply);
    template <class Change>
    bool change_all(Change apply);
    template <class Manage>
    ZoneError manage(ZoneId id, Manage command);
    template <class Check>
    ZoneError for_pieces(Extent extent, Check check) const;
    [[nodiscard]] ZoneError check_read_piece(const ZonePiece& piece, bool leaves) const;
    // May an empty or closed zone become an open one, if others are closed for it?
    [[nodiscard]] ZoneError check_room(const Zone& zone) const;
    // Closes implicitly open zones until `more` can be opened, or none is left. Those with a write in flight
    // come last; one in which nothing is written yet stays reserved_ then.
    void make_room(std::uint64_t more);
    void open_implicitly(ZoneId id);
    ZoneError prepare_opening(ZoneId id);

    ZonedGeometry geometry_;
    std::vector<Zone> zones_;
    std::span<std::atomic<std::uint64_t>> words_;  // empty: none are kept
    ZoneSummary summary_;
    OpenQueue implicitly_open_;
    std::uint64_t reserved_ = 0;  // zones that are empty with a write in flight: active as soon as it ends
};

}  // namespace reflux
