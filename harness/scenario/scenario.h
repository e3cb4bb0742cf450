// A scenario: one question, as plain data. Read from a TOML file by load.h.
#pragma once

#include "backend/base/units.h"
#include "harness/scenario/rungs.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace reflux::scenario {

enum class Placement {
    shared,    // daemon and workload in one limited memcg
    siblings,  // the limit on a parent, daemon and workload in children of it
    apart,     // the workload limited, the daemon in a memcg without a limit
};

struct Stack {
    std::string lower = "ext4";  // ext4 | xfs | btrfs: filesystem that holds the daemon's image
    std::string upper = "ext4";  // ext4 | xfs | btrfs | f2fs: filesystem under test, on the daemon's device
    std::string front_end = "fuse";  // how the daemon's disk becomes a block device, or what stands for it:
                                     // front_ends.h
    std::string map = "none";  // none | dm-zoned | dm-integrity: between that disk and the upper filesystem
    std::vector<std::string> upper_mkfs;  // more options for the upper filesystem's mkfs
    Bytes lower_size = mebibytes(1536);
    Bytes upper_size = gibibytes(1);
    std::string upper_options;  // more options for mounting the upper filesystem: "lazytime,nodelalloc"
};

struct Daemon {
    std::string engine = "sync";  // sync | threads | uring
    unsigned threads = 4;         // worker threads of engine threads; of uring the most io-wq workers
    Bytes zone_size = mebibytes(64);
    unsigned conventional_zones = 4;
    std::string zone_model = "host-aware";  // host-aware: writable anywhere | host-managed: at write pointers
                                            // | translated: the same, and refluxd makes it writable anywhere
    // A daemon that is not refluxd; the words in braces are those of stack::ForeignDaemon.
    std::string kind = "refluxd";  // refluxd | what the command serves: fuse-file | nbd | tcmu | block | ublk
    std::string command;           // run by sh, in the foreground
    std::string serves;  // what appears when it serves: file, socket or block device; empty: nothing
    std::string config;  // tcmu: dev_config of the device, which names the handler

    [[nodiscard]] bool is_foreign() const { return kind != "refluxd"; }
};

struct Memcg {
    std::optional<Bytes> limit;  // "none" in the file: no limit
    Placement placement = Placement::shared;
    std::optional<Bytes> daemon_limit;  // of the daemon's own memcg, for siblings and apart
};

struct Workload {
    std::uint64_t seed = 1;
    unsigned workers = 3;       // processes
    Bytes work = gibibytes(2);  // all of them together write this much, then end
    Bytes small_file = kibibytes(40);
    Bytes large_file = mebibytes(100);
    unsigned append_every = 8;  // one file in so many of a directory may be appended to
    unsigned names = 0;  // empty files that each worker makes first, then removes and makes again a directory
                         // at a time: what inode and dentry caches grow of
};

// What presses besides the workload itself: processes of their own.
struct Pressure {
    std::optional<Bytes> hog;           // anonymous memory that one process takes; "none" in the file: no hog
    std::string hog_place = "limited";  // limited: in the workload's memcg | machine: in one without a limit
    std::string hog_until = "size";     // size | swap_full: it grows no more when the machine's swap is full
    std::string hog_does = "touch";     // touch: its memory, over and over | sync: the upper filesystem, too
    unsigned io_cgroups = 0;            // new io cgroups a second, each for one read of the upper device
    std::vector<std::string> io_policies;  // set in each of them: throttle | latency | cost
    Bytes after{0};                        // they begin when the workload has written this much
};

// A fault that is injected on purpose when the workload has written `after`; its runs are what the verdict
// is tried on.
struct Fault {
    std::string kind = "none";         // none | kill | stop: a signal to the daemon |
                                       // delay | spin | allocate | error: refluxd's own, see its help
    std::vector<std::string> options;  // of refluxd's own: "time=200ms"
    Bytes after = mebibytes(32);
    Seconds time{0};  // after this it is lifted; 0: it stays until all is seen
};

// The virtual machine of `run --vm`.
struct Vm {
    Bytes memory = gibibytes(1);
    unsigned cpus = 2;
    std::string cgroup = "auto";  // hierarchy that has the memory controller: v1 | v2 |
                                  // auto: v1 where the kernel has it
    std::string setup;            // shell text, run in the guest as root before the harness; empty: none
    unsigned attempts = 2;        // guests in all, while each is lost before the workload began
};

// What somebody else does to the machine or the stack while the workload runs: a sync, a freeze, a swapon.
struct Meanwhile {
    std::string command;  // run by sh as root, round after round, from the workload's first write until the
                          // pressure ends; its words in braces are those of run/meanwhile.h; empty: nothing
    Seconds every{1};     // from the end of a round to the next
    std::string undo;     // run once when the pressure is over, however the last round ended
};

struct Observe {
    std::string trace_overhead = "off";  // measure: what the trace costs, after the workload has done its
                                         // work; a run without pressure only, which is no steady load | off
};

struct Judge {
    Seconds stall_window{8};  // no completion for this long, with requests in flight
    Seconds time_budget{30};  // the workload must be done in this
};

// The ladder that is climbed after a stall.
struct Relief {
    std::vector<std::string> rungs = rung_names();  // tried one after the other; empty: none is
    Seconds rung_time{2};                           // for each: I/O must go on again within this
};

struct Expect {
    std::vector<std::string> outcome;  // any of these; empty: not judged
    std::vector<std::string> recursion;
};

struct Scenario {
    std::string name;      // the file's name without .toml
    std::string file;      // path that it was read from
    std::string question;  // what the run answers, one sentence
    std::string because;   // why this outcome is expected
    std::string source;    // thread, commit or report that it comes from
    // "not reproduced": what the source tells of could not be provoked. Its runs are made and judged like any
    // other's; what is expected of them is what comes instead, so that a hang that comes after all differs.
    // Of this file alone, like question and because: whoever has it for a base inherits none of them.
    std::string status = "ordinary";
    std::vector<std::string> tried;  // then: one line for each attempt
    std::string control;             // name of the scenario that is its control without pressure; empty: none
    std::string baseline;  // of a cure: name of the scenario that stalls without it; empty: it is no cure
    std::vector<std::string> needs;  // else it is unsupported: cgroup_v1 | cgroup_v2: the memory controller;
                                     // guest: it presses on a whole machine, which must be a virtual one
    std::string family;              // row of families.h that it belongs to; empty: none of them
    Stack stack;
    Daemon daemon;
    Memcg memcg;
    Workload workload;
    Pressure pressure;
    std::vector<std::string> mitigations;  // names of the mitigation table, applied in order
    Fault fault;
    Vm vm;
    Meanwhile meanwhile;
    Observe observe;
    Judge judge;
    Relief relief;
    Expect expect;
    Expect expect_v2;  // where the memory controller is cgroup v2; what is empty is as in expect
    // Where the kernel, with the modules of the stack, has a function of that name; what is empty is as
    // above.
    std::string expect_with_function;
    Expect expect_with;
};

// Something is done in it against a stall, so that its completion says nothing by itself.
inline bool is_cure(const Scenario& scenario) {
    return !scenario.baseline.empty() || !scenario.mitigations.empty();
}

inline constexpr const char* not_reproduced = "not reproduced";  // Scenario::status
inline bool is_not_reproduced(const Scenario& scenario) {
    return scenario.status == not_reproduced;
}

}  // namespace reflux::scenario
