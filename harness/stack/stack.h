// The stack under test, built from the bottom up: an own lower image on a loop device, the lower filesystem,
// refluxd on a file of it (or nothing, for the loopback control), a loop device on what it serves, the upper
// filesystem. Each piece is journalled before it is made; taking down is journal::undo, for an orderly end
// and for a hung one.
//
// Everything is mounted below RUN/m, which is bound onto itself with private propagation, so that no other
// mount namespace gets to hold it. Threads: one, single-threaded process (children are forked).
#pragma once

#include "backend/base/child.h"
#include "backend/base/result.h"
#include "backend/base/units.h"
#include "harness/journal/journal.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace reflux::stack {

// What to build.
struct Plan {
    std::string lower_fs;  // ext4 | xfs | btrfs
    std::string upper_fs;
    bool with_daemon = true;  // false: upper on loop straight on a lower file
    Bytes lower_size;
    Bytes upper_size;
    Bytes zone_size;
    unsigned conventional_zones = 0;
    std::string image_folder;  // where the lower image is made; needs lower_size of free space
    std::string refluxd;       // path of the program
    std::vector<std::string> serve_arguments;  // for `refluxd serve`: engine and what mitigations add
    std::string daemon_cgroup_procs;           // the daemon enters it before exec
    std::string helper_cgroup_procs;           // mkfs, mount and the like enter it
    std::string daemon_log;                    // file that takes the daemon's stderr
    bool outlive_harness = false;  // the daemon goes on when the harness ends (a stack that is kept)
};

// A block device, "/dev/loop3" and "7:3".
struct BlockDevice {
    std::string path;
    std::string name;    // "loop3"
    std::string number;  // "7:3"
};

// What stands.
struct Stack {
    BlockDevice lower_device;
    BlockDevice upper_device;
    std::string lower_mount;
    std::string upper_mount;
    std::string fuse_mount;
    std::string fusectl;  // own mount of fusectl, or empty: the kernel has none
    std::string tracefs;  // likewise
    std::string control_socket;
    std::optional<std::uint64_t> fuse_connection;
    Child daemon;  // pid -1: none
};

// Called with one line for each step that is about to be taken ("mkfs.xfs on /dev/loop2").
using Narrator = std::function<void(const std::string&)>;

// Builds it all. On an error what was made is left to journal::undo.
Result<Stack> up(const Plan& plan, journal::Journal& journal, const Narrator& say);

// Unmounts the upper filesystem and mounts it again, so that what is read next comes from the device.
// Bounded.
Status remount_upper(const Plan& plan, const Stack& stack, journal::Journal& journal);

// Takes down what stands above the lower filesystem, in whatever state it is, by the escape: the FUSE
// connection is aborted, memory limits are lifted, what runs in the run's cgroups is killed. Then serves the
// image that is left with a new daemon (in plan.daemon_cgroup_procs) and mounts the upper filesystem, which
// recovers its journal. Bounded. On an error what stands is left to journal::undo.
Status set_up_again(const Plan& plan, Stack& stack, journal::Journal& journal, const Narrator& say);

}  // namespace reflux::stack
