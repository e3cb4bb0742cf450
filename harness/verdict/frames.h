// The vocabulary of kernel functions: what a stack, as /proc/PID/stack prints it, says about why a task
// waits. One table (frames.cpp) for kernels 5.10 to 7.2; a function that is not in it stays unknown and is
// never guessed at. /proc/PID/stack leaves out the scheduler's own functions (.sched.text: schedule,
// io_schedule, mutex_lock, down_*, wait_for_completion); the table knows them for stacks from other sources.
#pragma once

#include <optional>
#include <string_view>

namespace reflux::verdict {

// What a task waits for.
enum class Wait {
    folio_writeback,   // a folio's (page's) writeback to end
    folio_lock,        // a folio's lock, which its I/O may hold
    dirty_throttle,    // balance_dirty_pages
    reclaim_throttle,  // reclaim's own pauses
    memcg_oom,         // a memcg's OOM handling
    journal_commit,    // a journal or log to reach the disk
    transaction,       // room or a slot in a transaction
    buffer,            // a metadata buffer's lock or I/O
    inode,             // an inode's writeback or eviction
    block_request,     // a request slot of a block device
    io_completion,     // I/O that was submitted
    fuse_request,      // an answer of a FUSE server
    lock,              // mutex, rwsem, semaphore
    freeze,            // a frozen filesystem or queue
    allocation_retry,  // the pause before a failed allocation is tried again
    sleep,             // a timed sleep
    idle,              // work to arrive
};
// For people: "folio writeback", "dirty throttling", …
std::string_view to_string(Wait wait);

// What the part of a stack above a function does.
enum class Region {
    memcg_reclaim,
    direct_reclaim,
    shrinker,     // a slab shrinker
    eviction,     // inodes being evicted
    compaction,   // of memory
    write_path,   // a filesystem's write
    loop_worker,  // a loop device's I/O, done on its backing file
};
std::string_view to_string(Region region);

// True if the wait ends by time alone, whatever other tasks do.
bool is_bounded(Wait wait);
// True if a filesystem or its device can be what is waited for.
bool is_filesystem_wait(Wait wait);

struct Frame {
    std::string_view function;
    std::optional<Wait> wait;
    std::optional<Region> region;
    bool generic = false;  // a helper of many waits; the next frame outward may say which
};
// True if the function waits for nothing but I/O of the device below: it ends when that completes. A helper
// does not tell, for the same bit or completion may be in the hands of a task.
bool ends_by_io(const Frame& frame);
// The row for a function name; compiler suffixes (".constprop.0", ".isra.0", …) are ignored.
const Frame* find_frame(std::string_view function);

}  // namespace reflux::verdict
