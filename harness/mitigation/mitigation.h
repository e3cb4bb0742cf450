// The table of mitigations: what each is, where it takes hold, what it needs, what it changes, and how it is
// read back from what runs. Nothing is on by default; a mitigation that is not read back was not applied.
//
// A row is one entry in the list of its kind (rows.h): daemon_rows.cpp, machine_rows.cpp, and others beside
// them.
#pragma once

#include "backend/base/result.h"
#include "backend/base/units.h"
#include "harness/evidence/evidence.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::mitigation {

// Where a mitigation takes hold.
enum class Place {
    daemon,    // an option of refluxd, for the whole process
    call,      // an option of refluxd, around or with each read and write of the lower file
    process,   // a kernel file of the running daemon
    cgroup,    // the daemon's memory cgroup
    bdi,       // the lower filesystem's backing device, /sys/class/bdi
    lower_fs,  // the filesystem that the daemon's image lies on
    sysctl,    // of the whole machine, for the time of the run
    module,    // a kernel module, loaded for the time of the run
};
std::string_view to_string(Place place);

// What it needs of the machine; asked before anything is made. What the kernel refuses later is unsupported
// all the same.
struct Needs {
    bool sys_resource = false;            // CAP_SYS_RESOURCE
    std::string cgroup_version = {};      // "v1" | "v2"
    std::vector<std::string> files = {};  // of the kernel
    std::string why = {};                 // told when it has not that version, or one of these
};

enum class DaemonPlace {
    as_scenario,
    apart,    // a memory cgroup of its own, without the limit
    sibling,  // one of its own beside the workload's, both below the limit
};

// What it changes in the plan of a run.
struct Effect {
    std::vector<std::string> daemon_arguments = {};  // added to `refluxd serve`
    DaemonPlace daemon_place = DaemonPlace::as_scenario;
    std::string lower_fs = {};  // in place of the scenario's; empty: as it is
    std::string engine = {};    // likewise
    Seconds stall_window{0};    // the least: what it does comes later than a stall is called otherwise
};

// A kernel file that is written.
struct Setting {
    std::string path;
    std::string value;
    bool outlives_run = false;  // it is put back at the end, also by `reflux clean`
    bool until_stack = false;   // of `before`: read when the stack stands, and put back then already
};

// What runs, as settings and read-backs look at it.
struct Target {
    std::string proc = "/proc";
    std::string sys = "/sys";
    int pid = 0;                 // of the daemon
    std::vector<int> others;     // pids of what it has started
    std::string pressed_cgroup;  // path of the cgroup with the limit
    std::string daemon_cgroup;   // path
    std::string lower_mount;
    std::string lower_device;  // "7:3"
    std::string status;        // what refluxd answers to status or progress
};

struct Row;
using Settings = std::function<Result<std::vector<Setting>>(const Target&)>;
using ReadBack = std::function<evidence::Mitigation(const Row&, const Target&)>;

struct Row {
    std::string name;
    std::string description;
    Place place = Place::daemon;
    Needs needs = {};
    Effect effect = {};
    Settings before = nullptr;    // written before the stack is built: of the target nothing stands
    Settings settings = nullptr;  // written when it stands
    ReadBack read_back = nullptr;
    // Its counts are read once more when the pressure is over: they may tell that it was not in force all the
    // time.
    bool counts = false;
    std::vector<std::string> excludes = {};  // names; said by one of the two
    // Marks the calling, single-threaded process so that a program that it becomes keeps the mark; null: the
    // mitigation is no property of a process.
    Status (*mark_caller)() = nullptr;
};

const std::vector<Row>& table();

// The row of a name; the error lists the names there are.
Result<Row> find(const std::string& name);
// The rows of a scenario's list, in its order; "a+b" is a and b. invalid_input: an unknown name, one twice,
// two that exclude each other.
Result<std::vector<Row>> find_all(const std::vector<std::string>& names);
// The same as find() among those that any program can be started with.
Result<Row> find_for_programs(const std::string& name);

// "daemon; needs CAP_SYS_RESOURCE", for a list.
std::string place_and_needs(const Row& row);

}  // namespace reflux::mitigation
