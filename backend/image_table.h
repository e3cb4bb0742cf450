// Writes the zone table of an open image, so that it is never ahead of the data nor, after a flush, behind
// it.
//
// A commit: (1) the changed blocks are encoded from the zones as they are now; (2) the file is synced, and
// with it the data that their write pointers speak of; (3) each block is written, twice, into that of its two
// slots which does not hold its last durable state. It is durable after the next sync of the file, which is
// the caller's. So at every moment one slot of each block holds a state whose data is on disk: a write that
// is cut short can harm only the other one.
#pragma once

#include "backend/image_reader.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

namespace reflux {

class ImageTable {
  public:
    // `zones` and its guard outlive this.
    ImageTable(ImageFile& file, TableState state, const ZoneTable& zones, std::mutex& zones_mutex);

    // The state of these zones differs from the file. Under zones_mutex.
    void mark_changed(ZoneId first, ZoneId last);

    // Writes all that had changed when it was called. Returns 0 when that is durable after one more sync of
    // the file, or an errno value. Calls that come together share one commit. No allocation. Threads: any.
    int commit();
    // The same, and that sync: all is durable when it returns 0.
    int make_durable();
    // How often commit was called, by those that are still in it too.
    [[nodiscard]] std::uint64_t asked();
    // At a clean end: the same, with blocks whose copies were found damaged written to both slots.
    int make_whole();
    // The caller's sync failed. The next commit begins with a sync of the file's own, even if nothing
    // changed: the kernel tells each open file once of what it could not write, so that one ends as the
    // caller's did, unless the caller's error was of its own making. Threads: any.
    void suspect() { sync_failed_elsewhere_ = true; }
    // The error of a failed write or sync, after which nobody can say what the file holds: the pages in
    // question may be gone from the cache, and the next sync succeeds. All later commits fail with it.
    [[nodiscard]] int broken() const { return broken_.load(std::memory_order_relaxed); }

  private:
    struct Taken {
        std::uint64_t index = 0;
        ImageBlock block;
    };

    void commit_alone();
    // Of an error the first is kept, whatever ends well beside it: of syncs that overlap only one is told
    // that pages were lost. Returns `error`, or else what broke before.
    int latch(int error);
    void mark_block(std::uint64_t index);
    // Encodes changed blocks from `index` on into taken_, until it is full, and marks them unchanged; returns
    // where to go on.
    std::uint64_t take_changed(std::uint64_t index);
    int write_taken();
    int sync();

    ImageFile& file_;
    const ZoneTable& zones_;
    std::mutex& zones_mutex_;
    // Under zones_mutex_.
    std::vector<bool> changed_;  // blocks
    std::uint64_t changed_count_ = 0;
    std::uint64_t first_changed_ = 0;  // no block before it has changed

    std::mutex mutex_;  // guards the next four; never held across I/O
    std::condition_variable committed_;
    std::uint64_t asked_ = 0;    // calls of commit
    std::uint64_t covered_ = 0;  // the first so many of them are served
    bool committing_ = false;

    // Of the one that commits.
    std::uint64_t sequence_;
    std::vector<bool> newest_slot_;  // of each block: the one that is durable
    std::vector<Taken> taken_;       // of fixed size; the first taken_count_ are in use
    std::size_t taken_count_ = 0;
    std::vector<std::uint64_t> unsynced_;  // blocks whose other slot was written since the last sync

    std::vector<std::uint64_t> to_rewrite_;  // of make_whole
    std::atomic<int> broken_ = 0;
    std::atomic<bool> sync_failed_elsewhere_ = false;
};

}  // namespace reflux
