// How a disk reaches the kernel as a block device: one row a way, one file each (front_end_*.cpp). For a new
// one the lists of names are edited besides: scenario/front_ends.h, front_end.cpp, and where it has no daemon
// evidence::has_daemon().
#pragma once

#include "harness/stack/stack.h"

#include <chrono>
#include <string_view>

namespace reflux::stack {

// What a front end works on while the stack is built. Alive for the call.
struct Building {
    const Plan& plan;
    Stack& stack;
    journal::Journal& journal;
    const Narrator& say;
    // Of the daemon, as far as is known; daemon_up() begins it, who waits for more says what for.
    DaemonTrouble trouble = {};
    std::chrono::steady_clock::time_point daemon_start = {};

    [[nodiscard]] Seconds daemon_time() const { return std::chrono::steady_clock::now() - daemon_start; }
    // File of the lower filesystem that the daemon serves.
    [[nodiscard]] std::string image() const { return stack.lower_mount + "/disk.img"; }
};

struct FrontEnd {
    std::string_view name;
    // Modules that the kernel must have, loaded for the time of the run where they are neither loaded nor
    // built in.
    std::vector<std::string_view> modules = {};
    // That the kernel loads by itself when those are used: loaded before where it has them, so that they go,
    // too.
    std::vector<std::string_view> modules_of_kernel = {};
    // As `modules`, but `up` loads them, with parameters.
    std::vector<std::string_view> modules_of_up = {};
    std::vector<std::string_view> programs = {};  // that it runs
    // What the disk is kept in; null: in no file of the lower filesystem, which is not built then.
    Status (*make_image)(Building& building) = nullptr;
    // Starts the daemon, if there is one, and sets stack.served_device, stack.daemon and stack.abort.
    Status (*up)(Building& building) = nullptr;
};

// Null: there is none of that name.
const FrontEnd* find_front_end(std::string_view name);
std::vector<std::string> front_end_names();

// The rows, each defined in the file of its name.
FrontEnd fuse_front_end();
FrontEnd loop_front_end();
FrontEnd tcmu_front_end();
FrontEnd ublk_front_end();
FrontEnd nbd_front_end();
FrontEnd block_front_end();
FrontEnd null_blk_front_end();
FrontEnd scsi_debug_front_end();

// Shared by rows.

// Of what this run makes where names are the machine's: "reflux-" and the run's id.
std::string device_name(const journal::Journal& journal);
// That the kernel has made the zones of a control's device as the plan has them; system: it has not.
Status check_zones(const BlockDevice& device, const Plan& plan);
// A text of ForeignDaemon with its words in braces replaced.
std::string filled(std::string text, const Building& building);
// The block device that comes up as `name` says, once it has a size: its driver has asked for its capacity by
// then, and so for its zones. `name` gives "" as long as there is none.
Result<BlockDevice> await_block_device(const std::string& what, Seconds time,
                                       const std::function<std::string()>& name);
// Sparse, in a child with a deadline.
Status make_plain_file(const std::string& path, Bytes size);
// The image that refluxd formats, or a sparse file for a foreign daemon.
Status make_daemon_image(Building& building);
// Where refluxd keeps what must outlive a kill, so that it goes with the run; nothing where the run's folder
// is in no memory filesystem.
Result<std::vector<std::string>> zone_memory_arguments(Building& building);
// refluxd with the arguments of its front end, or the foreign daemon; returns when it serves.
struct Started {
    std::string serves;  // what the foreign daemon's `serves` names; empty for refluxd
    std::string device;  // "device" of refluxd's ready line; may be empty
};
Result<Started> daemon_up(Building& building, const std::vector<std::string>& refluxd_arguments);
// After `error`: tells plan.on_trouble if it is the daemon's doing.
void blame_daemon(Building& building, const Error& error);

}  // namespace reflux::stack
