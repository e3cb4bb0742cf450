// Who may work on a zone now, and who waits for whom: requests that exclude each other go one at a time, in
// the order in which they came. Block front ends have this above them (Linux' zone write locking, later zone
// write plugging); FUSE clients have not.
//
// Exclusive in its zones: a write or append to sequential-write-required zones, for its place is the write
// pointer that the one before it leaves; zone management, for a reset under a write in flight would give a
// write pointer that no data stands behind. Shared: every other write. Pure; not thread-safe: the owner holds
// a mutex around each call. No allocation: turns are linked to each other.
#pragma once

#include "backend/base/units.h"

namespace reflux {

// A request's claim to zones [first, last]; alive and in place from enter() to leave().
struct ZoneTurn {
    ZoneId first;
    ZoneId last;
    bool exclusive = false;

  private:
    friend class ZoneTurns;
    bool waiting_ = false;
    ZoneTurn* before_ = nullptr;
    ZoneTurn* after_ = nullptr;
    ZoneTurn* next_ready_ = nullptr;
};

class ZoneTurns {
  public:
    // True: go. False: it waits, and comes out of a later leave().
    bool enter(ZoneTurn& turn);
    // Ends a turn that goes. Those that may go now are put at the end of the list of the ready.
    void leave(ZoneTurn& turn);
    // Takes the first of the ready; null: none.
    ZoneTurn* take_ready();

  private:
    [[nodiscard]] bool must_wait(const ZoneTurn& turn) const;
    void link(ZoneTurn& turn);
    void unlink(ZoneTurn& turn);

    // All that have entered and not left, in the order in which they came.
    ZoneTurn* oldest_ = nullptr;
    ZoneTurn* newest_ = nullptr;
    std::size_t exclusive_count_ = 0;  // among them
    std::size_t waiting_count_ = 0;
    ZoneTurn* first_ready_ = nullptr;
    ZoneTurn* last_ready_ = nullptr;
};

}  // namespace reflux
