// Parts of the evidence (evidence.h): what the kernel log tells of processes, locks and allocations by name,
// what was done to a device besides the workload, and what became of those who were to do something.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace reflux::evidence {

// A process that the OOM killer chose, from the kernel log, and what became of it.
struct OomVictim {
    int pid = 0;
    std::string name;                // comm
    std::string role;                // "daemon" | "workload" | "hog" | "other"
    bool of_memcg = false;           // a memory cgroup's limit was reached; false: the machine's memory
    double at_s = 0;                 // when it was chosen
    std::uint64_t anon_bytes = 0;    // resident anonymous memory, which the OOM reaper can take without it
    std::optional<double> reaped_s;  // the OOM reaper had taken that; nullopt: not told
    // When it was first seen to be gone: at most so late, for it is looked at in every tick; nullopt: it was
    // there when it was looked at last.
    std::optional<double> gone_s;
    double seen_s = 0;               // looked at last
    char state = '?';                // of its main thread then
    std::vector<std::string> stack;  // likewise; empty: it was gone, or could not be read
};

// What lockdep has to say: one report, from the kernel log.
struct LockReport {
    double at_s = 0;
    std::string kind;                // "possible circular locking dependency", "inconsistent lock state", …
    std::string task;                // "kswapd0/109"; empty: not told
    std::vector<std::string> locks;  // in the order in which the report names them
    bool reclaim = false;            // it names reclaim (fs_reclaim, RECLAIM_FS) among them
};

// An allocation that its caller tries again and again, which XFS tells of at every hundredth time.
struct AllocationStall {
    std::string task;      // "fs_mark(3289)"; older kernels do not tell it
    std::string function;  // "kmem_alloc", …
    std::string mode;      // gfp mask, "0x2408240"
    std::optional<std::uint64_t> bytes;
    std::uint64_t count = 0;  // lines of this task, function, mode and size
    double first_s = 0;
    double last_s = 0;
};

// New io cgroups that were made one after the other, each for one read of the upper device.
struct IoCgroups {
    std::string version;                // of the io controller: "v1" | "v2"
    std::vector<std::string> policies;  // that were set in each
    std::vector<std::string> missing;   // wanted, but not on this kernel
    std::uint64_t made = 0;
    std::uint64_t reads = 0;      // first I/Os that completed
    std::uint64_t accounted = 0;  // cgroups in whose statistics the kernel then showed the device
    std::uint64_t failed = 0;     // cgroups that could not be made, set or removed, and reads that failed
    std::string first_error;
    double worked_s = 0;
    double longest_s = 0;  // of one of them, from mkdir to rmdir
};

// Processes that took anonymous memory on purpose, one after the other.
struct Hog {
    std::uint64_t asked_bytes = 0;       // that one was to grow to
    std::string place;                   // "limited": in the workload's memcg | "machine"
    std::optional<double> began_s;       // nullopt: it was never due, the workload had not written enough
    std::uint64_t started = 0;           // processes; the next one when the last was killed
    std::uint64_t oom_killed = 0;        // of these: by the OOM killer
    std::uint64_t failed = 0;            // of these: ended otherwise, before they were asked to
    std::string first_failure;           // how that was
    std::uint64_t most_taken_bytes = 0;  // by one of them
    bool at_work = false;                // one was there when the pressure ended
    std::optional<std::uint64_t> syncs;  // of the upper filesystem, begun by all; nullopt: they had not to
};

// A daemon that did not come to serve its disk.
struct DaemonFailure {
    std::string command;
    std::string waited_for;  // "/run/…/disk to appear"
    double waited_s = 0;     // from its start; 0: not measured
    std::string ended;       // "exit status 7", "signal 11"; empty: it was there to the end
    std::string trouble;     // what else went wrong: the error of what was done with it; may be empty
    std::vector<std::string> last_lines;  // of its log
};

}  // namespace reflux::evidence
