// The stack under test, built from the bottom up: an own lower image on a loop device, the lower filesystem,
// a daemon on a file of it (or none, for the controls), the block device that comes out of what it serves, a
// mapping on that if one is wanted, the upper filesystem. Each piece is journalled before it is made; taking
// down is journal::undo, for an orderly end and for a hung one.
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
#include <utility>
#include <vector>

namespace reflux::stack {

// A daemon that is not refluxd. In each text {image}, {size} (bytes), {folder} (the run's own, for sockets),
// {mount} (an empty directory) and {name} (of this run's device) are replaced.
struct ForeignDaemon {
    std::string command;  // run by sh, in the foreground
    std::string serves;   // path that appears when it serves: a file, a socket or a block device
    std::string config;   // dev_config of a TCMU device: names the handler
};

// What is known of a daemon because of which there is no stack.
struct DaemonTrouble {
    std::string command;
    std::string waited_for;                    // "/run/…/disk to appear"
    Seconds waited{0};                         // from its start
    std::string ended;                         // "exit status 7"; empty: it runs
    std::string trouble;                       // the error of what was done with it
    std::vector<std::string> last_lines = {};  // of its log
};

// The end of a daemon's log: ten lines at most, long ones cut.
std::vector<std::string> last_lines(const std::string& log);

// What to build.
struct Plan {
    std::string lower_fs;  // ext4 | xfs | btrfs
    std::string upper_fs;
    std::vector<std::string> upper_mkfs = {};  // more options for its mkfs
    std::string upper_options;                 // besides those of mount_options(); may be empty
    std::string front_end = "fuse";            // a name of front_end.h
    std::string map;  // what is between served disk and upper filesystem: "" | its module:
                      // "dm-zoned", "dm-integrity"
    Bytes lower_size;
    Bytes upper_size;  // of the disk that is served
    Bytes zone_size;
    unsigned conventional_zones = 0;
    std::string zone_model;    // host-aware | host-managed | translated
    std::string image_folder;  // where the lower image is made; needs lower_size of free space
    std::string refluxd;       // path of the program; empty: the front end has no daemon
    std::vector<std::string> serve_arguments;  // for `refluxd serve`: engine and what mitigations add
    std::optional<ForeignDaemon> foreign;      // instead of refluxd
    std::vector<std::string> exec_prefix;      // command that starts a foreign daemon; empty: as it is
    std::string daemon_cgroup_procs;           // the daemon enters it before exec
    std::string helper_cgroup_procs;           // mkfs, mount and the like enter it
    std::string daemon_log;                    // file that takes the daemon's stderr
    bool outlive_harness = false;  // the daemon goes on when the harness ends (a stack that is kept)
    // Called before `up` fails where the daemon is to blame: it ended, or it is foreign and its disk did not
    // come.
    std::function<void(const DaemonTrouble&)> on_trouble = nullptr;
};

// A block device, "/dev/loop3" and "7:3".
struct BlockDevice {
    std::string path;
    std::string name;    // "loop3"
    std::string number;  // "7:3"
};
// By its name in /sys/block.
Result<BlockDevice> block_device(const std::string& name);
Result<Bytes> size_of(const BlockDevice& device);

// How everything that the daemon owes is failed, so that who waits for it goes on.
struct Abort {
    std::string what;                                              // "connection" | "ring of …", for people
    std::vector<std::pair<std::string, std::string>> writes = {};  // file and text, in this order
    std::vector<std::string> command = {};                         // instead of them, in the background too
    int sockets_of = 0;                                            // pid whose connections are shut down
};

// What stands.
struct Stack {
    BlockDevice lower_device;   // empty: the front end has no file below
    BlockDevice served_device;  // what the front end gives
    BlockDevice upper_device;   // what the upper filesystem is on: the same, or a mapping on it
    std::string lower_mount;
    std::string upper_mount;
    std::string fuse_mount;
    std::string fusectl;         // own mount of fusectl, or empty: the kernel has none
    std::string tracefs;         // likewise
    std::string control_socket;  // refluxd's; empty: there is no refluxd
    std::optional<std::uint64_t> fuse_connection;
    std::optional<Abort> abort;               // nullopt: there is no way
    Child daemon;                             // pid -1: none
    journal::ObjectId first_above_image = 0;  // of what stands on the lower filesystem's file
};

// Called with one line for each step that is about to be taken ("mkfs.xfs on /dev/loop2").
using Narrator = std::function<void(const std::string&)>;

// Builds it all. On an error what was made is left to journal::undo.
Result<Stack> up(const Plan& plan, journal::Journal& journal, const Narrator& say);

// Unmounts the upper filesystem and mounts it again, so that what is read next comes from the device.
// Bounded.
Status remount_upper(const Plan& plan, const Stack& stack, journal::Journal& journal);

// Takes down what stands above the lower filesystem, in whatever state it is, by the escape: what the daemon
// owes is aborted, memory limits are lifted, what runs in the run's cgroups is killed. Then serves the
// image that is left with a new daemon (in plan.daemon_cgroup_procs) and mounts the upper filesystem, which
// recovers its journal. Bounded. On an error what stands is left to journal::undo.
Status set_up_again(const Plan& plan, Stack& stack, journal::Journal& journal, const Narrator& say);

}  // namespace reflux::stack
