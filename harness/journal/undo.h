// Taking objects of a journal down again, last made first. The one teardown of the project: an orderly end of
// a run, the escape from a hung one, and `reflux clean` differ only in Mode.
//
// No call here touches the filesystems under test from the calling process: unmounting, and everything else
// that may block, is done in a child with a deadline. Every wait is bounded.
#pragma once

#include "backend/base/units.h"
#include "harness/journal/journal.h"

#include <functional>
#include <string>
#include <vector>

namespace reflux::journal {

enum class Mode {
    orderly,  // ask first: SIGTERM, umount; escape when something does not end in its time
    escape,   // first break the hang: abort FUSE connections, lift memory limits, kill what runs in the
              // cgroups
};

struct UndoReport {
    bool escaped = false;                // the escape was taken, at once or on the way
    std::vector<std::string> leftovers;  // what is still there, and why
};

// Undoes all objects that `which` picks (default: all). What is gone is struck out of the journal.
UndoReport undo(
    Journal& journal, Mode mode,
    const std::function<bool(const Object&)>& which = [](const Object&) { return true; });

// Undoes one object in the orderly way, without an escape when it does not come down.
Status undo_one(Journal& journal, Kind kind, const std::string& name);

// The escape alone: aborts the FUSE connections of the journal's mounts, lifts the limits of its cgroups and
// kills their members. Does not wait.
void break_hang(const Journal& journal);

// Waits until `holds`; false: not within `deadline`. For conditions of which the kernel sends no event.
bool wait_until(Seconds deadline, const std::function<bool()>& holds);

// Processes in a cgroup, as this pid namespace numbers them; those outside of it are left out (the kernel
// shows them as 0, which to kill(2) would mean ourselves).
Result<std::vector<int>> cgroup_members(const std::string& cgroup);
// SIGKILL to those, but for `spared`; returns to how many. Does not wait. By pidfd: who has left the cgroup
// meanwhile is not hit, nor who has got its number.
Result<unsigned> kill_cgroup(const std::string& cgroup, int spared = 0);

// Number of the FUSE connection mounted at `mount_point`: the minor of its anonymous device, from
// /proc/self/mountinfo. Does not touch the mount.
Result<std::uint64_t> fuse_connection_at(const std::string& mount_point);
// Something is mounted at this path, from /proc/self/mountinfo.
Result<bool> is_mounted(const std::string& path);

}  // namespace reflux::journal
