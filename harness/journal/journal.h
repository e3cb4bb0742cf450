// Journal: every kernel object and file of a run, written down before it is made and struck out when it is
// gone, so that `reflux clean` can finish what a killed harness began. One folder a run under the state root
// (default /run/reflux, a place that does not survive a reboot, as kernel objects do not); the file "journal"
// in it has one line an entry, each appended by one write(2):
//     owner PID START_TIME      make ID KIND NAME      note ID TEXT      gone ID
// A torn last line (the harness was killed in it) is left out: its object was not made yet.
// Threads: one.
#pragma once

#include "backend/base/result.h"
#include "backend/base/unique_fd.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::journal {

enum class Kind {
    directory,        // NAME: path; removed by rmdir, never recursively
    file,             // path
    mount,            // path
    loop,             // path of the backing file; note: loop device number
    cgroup,           // path
    cgroup_tree,      // path; cgroups in it that are not written down are ours too, they have no children
    subtree_control,  // path of cgroup.subtree_control in which we enabled memory
    process,          // what it is; note: "PID START_TIME"
    trace_instance,   // path
    trace_probes,     // path of a group of probe events in tracefs, …/events/GROUP
    setting,          // path of a kernel file that we write; note: the text that it had before
    kernel_module,    // its name, as lsmod shows it; note: module_for_others, or nothing
    configfs,         // path of a folder or a symbolic link there
    nbd_device,       // path of the connected device; note: pid and start time of its server,
                      // then, when it is connected, what the kernel shows as its client
    ublk_device,      // path of its image; note: path of refluxd
    dm_device,        // name of a mapping of make_mapping(); note: the device, "dm-3"
    foreign_device,   // what a daemon that is not ours calls its block device; note: name in /sys/block and
                      // diskseq ("-": this kernel has none). It goes with its daemon; that is looked at
};

// Of a module that others may have come to use: the kernel itself loads more that do. Then it stays.
inline constexpr std::string_view module_for_others = "for others";

struct Object {
    std::uint64_t id = 0;
    Kind kind = Kind::file;
    std::string name;
    std::string note;
};
std::string to_string(const Object& object);  // "mount /run/reflux/…/upper", for people

using ObjectId = std::uint64_t;

class Journal {
  public:
    // A new run's folder and journal, owned by this process.
    static Result<Journal> create(const std::string& state_root, const std::string& run_id);
    // An existing one, read back. `folder` as folders() lists it.
    static Result<Journal> open(const std::string& folder);
    // The run folders below the state root; empty when there is none.
    static std::vector<std::string> folders(const std::string& state_root);

    // To be called before the object is made.
    Result<ObjectId> intend(Kind kind, const std::string& name);
    // What became known when it was made; replaces an earlier note.
    Status note(ObjectId id, const std::string& text);
    Status gone(ObjectId id);

    // What the next intend() will return; those of all that is made later are not less.
    [[nodiscard]] ObjectId next_id() const { return next_id_; }
    // Objects that are not gone, in the order in which they were made.
    [[nodiscard]] const std::vector<Object>& objects() const { return objects_; }
    [[nodiscard]] const std::string& folder() const { return folder_; }
    // The harness that made it still runs (pid and start time agree).
    [[nodiscard]] bool owner_alive() const;
    // Removes journal and folder; refused while objects are left.
    Status remove();

  private:
    explicit Journal(std::string folder) : folder_(std::move(folder)) {}
    Status append(const std::string& line);
    void replay(const std::string& line);
    [[nodiscard]] std::string path() const { return folder_ + "/journal"; }

    std::string folder_;
    UniqueFd fd_;
    std::vector<Object> objects_;
    ObjectId next_id_ = 1;
    int owner_pid_ = 0;
    std::uint64_t owner_start_ = 0;
};

// Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat); with the pid it names one
// process for good. An error when it does not exist.
Result<std::uint64_t> process_start_time(int pid);
// Where journals are kept: $REFLUX_STATE or /run/reflux.
std::string default_state_root();

}  // namespace reflux::journal
