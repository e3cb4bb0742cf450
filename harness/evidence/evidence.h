// Evidence: what a run observed, as plain data. It is the waist of the harness: stack, workload, pressure and
// observers fill it, verdict and report only read it, and it is saved whole as RUNDIR/evidence.json, so that
// a verdict can be computed again on any machine, without root.
//
// Times are seconds since the workload was started (CLOCK_MONOTONIC); negative before it. Memory and data are
// bytes. A device is named "major:minor", as the kernel's trace events print it. A stack is a list of kernel
// function names, innermost first, without offsets. An empty list or nullopt means "not measured", never
// "none".
#pragma once

#include "harness/evidence/incidents.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace reflux::evidence {

inline constexpr int schema_version = 1;

// What the scenario asked for, as far as the verdict needs it.
struct Expectation {
    std::vector<std::string> outcome;    // any of these words; empty: anything
    std::vector<std::string> recursion;  // likewise
    // From here on absent in older evidence.
    std::string status;  // "not reproduced": its source's hang could not be provoked; "": ordinary
    std::vector<std::string> tried;  // to provoke it, a line for each attempt
};

struct Limits {
    double stall_window_s = 0;  // no completion for this long with requests in flight: a stall
    double time_budget_s = 0;   // the workload must be done within this
    std::optional<std::uint64_t> memcg_limit_bytes;  // nullopt: no limit set
    // By this the scenario's times were stretched to those above, because this machine
    // is slower than the one that asked for the run; 1: they were not.
    double time_factor = 1;
    std::uint64_t work_bytes = 0;                     // what the workload is to write
    std::optional<std::uint64_t> daemon_limit_bytes;  // of the daemon's own memcg; nullopt: no limit set
};

// The virtual machine in which the run was made, as its host saw it.
struct Guest {
    std::string accelerator;  // "kvm" | "tcg"
    std::string kernel;       // as it was asked for: "6.1", "running", a path
    double boot_s = 0;        // from its start to the start of what it is to run
    std::string end;     // "ended": the harness in it came to its end; else "no_boot", "panicked", "reset",
                         // "silent", "overdue", "qemu_died", "stopped" (vm::GuestEnd)
    std::string detail;  // one sentence on an end other than "ended"
    // The same of guests before it that were lost before the workload began, for which it stands in.
    std::vector<std::string> lost_before;
};

// What the machine was.
struct Environment {
    std::string kernel_release;  // uname -r
    std::string kernel_version;  // uname -v
    std::string machine;         // uname -m
    std::string cgroup_version;  // "v1" | "v2"
    std::uint64_t memory_bytes = 0;
    int cpus = 0;
};

// The stack under test, bottom up, with the identities by which events are attributed.
struct Devices {
    std::string lower_device;  // block device of the lower filesystem, "7:0"; empty: none
    std::string upper_device;  // block device of the upper filesystem
    std::string lower_fs;      // "ext4" | "xfs" | "btrfs"
    std::string upper_fs;
    std::string front_end;  // how the disk becomes a block device: "fuse" | "tcmu" | "ublk" | "nbd" |
                            // "block", or without a daemon "loop" | "null_blk" | "scsi_debug"
    std::optional<std::uint64_t> fuse_connection;  // number under fusectl's connections
    // From here on absent in older evidence.
    std::string served_device;  // what the front end gives; empty: as upper_device
    std::string map;            // between that and the upper filesystem: "" | "dm-zoned"
    std::string daemon;         // "refluxd", or the name of another program; empty: not told
};
// A daemon stands behind the upper device.
inline bool has_daemon(const Devices& devices) {
    const auto& name = devices.front_end;
    return !name.empty() && name != "loop" && name != "null_blk" && name != "scsi_debug";
}
// One that does not tell what it holds.
inline bool has_foreign_daemon(const Devices& devices) {
    return has_daemon(devices) && !devices.daemon.empty() && devices.daemon != "refluxd";
}

// A mitigation that was asked for, and what the kernel shows of it.
struct Mitigation {
    std::string name;
    bool applied = false;  // read back from every thread that it must hold for
    std::string detail;    // how it was read back, or why it could not be applied
};

// One task at one moment. From /proc/PID/task/TID/{stat,status,stack,wchan}.
struct TaskSample {
    int pid = 0;
    int tid = 0;
    std::string name;         // comm
    std::string role;         // "daemon" | "workload" | "upper" (kernel thread or flusher of the upper
                              // device) | "lower" (of the lower device) | "other"
    char state = '?';         // R S D T t Z X I, as /proc prints it
    std::uint64_t flags = 0;  // PF_* of the kernel, field 9 of stat
    std::uint64_t voluntary_switches = 0;
    std::uint64_t involuntary_switches = 0;
    std::uint64_t cpu_ticks = 0;  // user + system, clock ticks
    std::vector<std::string> stack;
};

// All watched tasks at one moment.
struct TaskSnapshot {
    double at_s = 0;
    std::vector<TaskSample> tasks;
};

// Counters at one moment. Those of workload and device count from the start of the run, the daemon's from its
// own.
struct ProgressPoint {
    double at_s = 0;
    std::uint64_t workload_steps = 0;
    std::uint64_t workload_bytes = 0;               // written and read by the workload
    std::uint64_t device_completed = 0;             // I/Os that the upper block device completed
    std::uint64_t device_in_flight = 0;             // I/Os that it has accepted and not completed
    std::optional<std::uint64_t> daemon_completed;  // requests; nullopt: no daemon, or it did not answer
    std::optional<std::uint64_t> daemon_in_flight;
    std::optional<std::uint64_t> fuse_waiting;  // connections/N/waiting
    std::optional<std::uint64_t>
        served_completed;  // I/Os of the served device, where it is not the upper one
    std::optional<std::uint64_t> served_in_flight;
    std::optional<std::uint64_t> memcg_usage_bytes;
    std::optional<double> memory_pressure_full_avg10;  // PSI, percent; of the cgroup, or of the machine where
                                                       // the cgroup has none (v1)
    // From here on absent in older evidence. Of the machine, from /proc/meminfo.
    std::optional<std::uint64_t> memory_free_bytes;
    std::optional<std::uint64_t> slab_reclaimable_bytes;  // inodes and dentries are most of it
    std::optional<std::uint64_t> swap_free_bytes;         // nullopt: there is no swap
};

// A request that the daemon has taken and not answered, from its control socket.
struct Request {
    std::uint64_t id = 0;
    std::string operation;  // "read" | "write" | "flush"
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    int tid = 0;  // thread that works on it; 0: queued
    double age_s = 0;
};

struct DaemonStatus {
    double at_s = 0;
    bool answered = false;  // the control socket answered within its deadline
    std::vector<Request> in_flight;
};

// One thing that happened inside a reclaim or a throttle, from the private trace instance.
struct TraceEvent {
    double at_s = 0;
    int tid = 0;
    std::string event;   // tracepoint name: "mm_shrink_slab_start", "folio_wait_writeback", …
    std::string device;  // "major:minor" that the event names; empty where it names none
    std::string detail;  // the event's fields as the kernel printed them
};

// The calls of one slab shrinker inside one reclaim, or inside all of them. The kernel traces only the
// shrinker's function and a hashed address; to which superblock that belongs is learned from events in a call
// that name a device (prune_*_sb, evictions, scans of extents), and holds for all calls at that address.
struct ShrinkerCalls {
    std::string function;      // "super_cache_scan"
    std::string superblock;    // device of the superblock that it belongs to, "7:1"; empty: not known
    std::string side;          // of that superblock: "upper" | "lower" | "other" | "unknown"
    std::uint64_t calls = 0;   // begun
    std::uint64_t pruned = 0;  // times that it went on to prune dentries or inodes; 0 where no kprobe tells
    double total_s = 0;        // in the calls that ended
    bool ended = true;         // false: the last call had not ended when the trace was read last
};

// A sleep of a thread in uninterruptible state inside a reclaim.
struct TaskWait {
    double begin_s = 0;
    std::optional<double> duration_s;  // nullopt: not ended when the trace was read last
    bool at_most = false;  // the switch back was not traced: duration_s is up to the thread's next event
    std::vector<std::string> stack;  // where it slept, innermost first; empty: not traced
    std::string event;               // the thread's event in front of it, in the same reclaim; may be empty
    std::string device;              // that this event names
    std::string superblock;          // of the shrinker inside which it was; empty: in none, or not known
};

// A direct or memcg reclaim entered by a thread of the daemon: a begin/end pair of trace events.
struct Reclaim {
    int tid = 0;
    std::string kind;  // "direct" | "memcg"
    double begin_s = 0;
    std::optional<double> end_s;  // nullopt: not ended when the trace was read last
    std::string gfp_flags;        // as the kernel printed them, "GFP_HIGHUSER_MOVABLE|__GFP_…"
    std::uint64_t reclaimed_pages = 0;
    std::vector<TraceEvent> inside;  // the first and the last few of it; see inside_count
    std::uint64_t inside_count = 0;
    // From here on absent in older evidence.
    std::string thread;        // comm
    std::optional<int> order;  // of the allocation that entered it
    // The mask as a number, and two of its bits: names turned into bits by the table that this kernel's event
    // format gives (bits differ between kernels); nullopt: the format could not be read.
    std::optional<std::uint64_t> gfp_bits;
    std::optional<bool> gfp_fs;            // __GFP_FS: it may call into filesystems
    std::optional<bool> gfp_io;            // __GFP_IO: it may start I/O
    std::uint64_t upper_events = 0;        // that name the upper device, of all inside
    std::vector<ShrinkerCalls> shrinkers;  // in the order of their first call, the first 16
    std::vector<TaskWait> waits;           // the longest 8, in the order of time; one not ended is among them
    std::uint64_t wait_count = 0;
    double waited_s = 0;  // in all those that ended
};

// How many of the reclaims one thread entered with one gfp mask.
struct ReclaimCount {
    int tid = 0;
    std::string gfp_flags;
    std::uint64_t count = 0;
    // From here on absent in older evidence; over those that ended.
    double total_s = 0;
    double longest_s = 0;
    std::uint64_t reclaimed_pages = 0;
    double waited_s = 0;  // asleep in uninterruptible state
};

// What tracing cost, measured on a steady load after the workload: windows with and without the trace, in the
// order with-without-without-with, so that a drift falls on both. A block is four windows.
struct TraceOverhead {
    double window_s = 0;       // length of one window
    std::uint64_t blocks = 0;  // in which the device completed bytes in all four windows
    double with_bytes_s = 0;   // bytes that the upper device completed in a second, over those blocks
    double without_bytes_s = 0;
    double ratio = 0;      // with to without, median of the blocks
    double ratio_low = 0;  // half of the blocks lie between these two (quartiles)
    double ratio_high = 0;
};

// What page reclaim looked at and what it freed, in the inactive lists.
struct ReclaimScan {
    std::uint64_t batches = 0;  // mm_vmscan_lru_shrink_inactive inside reclaims
    std::uint64_t scanned_pages = 0;
    std::uint64_t reclaimed_pages = 0;
};

struct TraceSummary {
    bool available = false;
    // A daemon thread was followed late (`weaker` says which): a reclaim of its may have been missed.
    bool late = false;
    std::string unavailable_reason;
    std::vector<std::string> events;   // the tracepoints that were enabled
    std::vector<std::string> missing;  // wanted, but not on this kernel
    std::uint64_t lost_events = 0;     // overwritten before they were read
    std::uint64_t reclaim_count = 0;   // begins seen
    std::vector<ReclaimCount> counts;  // of all of them, the first 64 pairs of thread and mask
    std::uint64_t slab_shrink_count =
        0;  // mm_shrink_slab_start inside reclaims: a visit, which may scan nothing
    std::uint64_t upper_event_count = 0;  // events inside reclaims that name the upper device
    std::uint64_t lower_event_count = 0;
    std::uint64_t throttle_count = 0;  // balance_dirty_pages and mm_vmscan_throttled
    std::vector<Reclaim> reclaims;  // a few: the first, the longest, those with upper events, those not ended
    std::vector<TraceEvent> throttles;    // the last few, outside reclaims too
    std::vector<TraceEvent> last_events;  // the last event of each daemon thread
    // From here on absent in older evidence.
    std::vector<std::string> weaker;  // sentences: what this kernel cannot show, and what suffers from it
    std::vector<ShrinkerCalls> shrinkers;   // of all reclaims, the first 32 of them
    std::optional<TraceOverhead> overhead;  // nullopt: not measured in this run
    std::vector<std::string> kinds;         // of all reclaims: "memcg", "direct"
    std::optional<ReclaimScan> scan;        // of all reclaims; nullopt: this kernel does not tell
};

// The window in which nothing completed.
struct Stall {
    double detected_s = 0;
    double last_completion_s = 0;
    std::vector<TaskSnapshot> snapshots;  // at least two, spread over the window, with stacks
    DaemonStatus daemon;
};

// How much was completed in a stretch of the run, successfully or not.
struct CompletionRate {
    double over_s = 0;               // length of the stretch; 0: not measured
    double ios = 0;                  // I/Os of the upper block device, a second
    std::optional<double> requests;  // of the daemon, a second; nullopt: there is none, or it did not answer
};

// One rung of the relief ladder: a single intervention, and what became of I/O under it. The rungs are
// tried one after the other until one releases, each is undone before the next where that is possible.
//
// Released means that I/O resumed and went on; one completion now and then is what bounded waits let through
// in a livelock, and is no release. For every rung but abort: within the rung's time something completed, and
// for as long after that (1 s at least)
//   - something completed in three of four ticks of the watch, and at a tenth or more of the rate at which
//     it went before the stall; or
//   - the workload was gone, and at the end of it nothing was left in flight.
// For abort, which fails all I/O: every daemon thread that was blocked has left its wait, and the I/O that
// hung has ended.
struct ReliefRung {
    std::string rung;  // "wait" | "raise_limit" | "drop_caches" | "kill_workload" | "abort"
    double begin_s = 0;
    double observed_s = 0;  // how long progress was watched after it
    bool applied = false;
    std::string detail;                  // what was written where, or why it could not be
    std::uint64_t completed_before = 0;  // I/Os that the upper device had completed when the rung began
    std::uint64_t completed_after = 0;
    bool released = false;        // see above
    double after_s = 0;           // when released: seconds from begin to the first of the completions that
                                  // went on; for abort to the moment at which all of it held
    std::vector<int> freed_tids;  // daemon threads that sat in one wait when it began and have left it
    CompletionRate before;        // in the stall window before the rung
    CompletionRate during;        // from its begin to the end of the watch
    std::string remains;  // of one that did not release: what of it the rungs after it stand on, because it
                          // cannot be undone; empty: nothing, all was undone
};

struct WorkloadResult {
    bool started = false;
    bool finished = false;    // it did all its work
    std::string ended;        // "finished" | "time limit" | "error" | "killed by the harness" | "signal N"
    std::string first_error;  // first failed call of it, with errno text
    std::uint64_t errors = 0;
    std::uint64_t steps = 0;
    std::uint64_t bytes = 0;
    double duration_s = 0;
};

// How long the operations of one kind took (workload::StepKind), within 1/32 but for the longest. One that
// had not ended counts with its age.
struct StepLatency {
    std::string kind;  // "write" | "stream" | "sync" | "name" | "remove" | "read"
    std::uint64_t count = 0;
    std::uint64_t unfinished = 0;  // of these
    double p50_s = 0;              // quantiles, of the nearest rank
    double p99_s = 0;
    double p999_s = 0;
    double longest_s = 0;
};

// What the workload got.
struct WorkloadCost {
    double worked_s = 0;  // from its start; the sync of all that it wrote included, where it came to that
    std::uint64_t written_bytes = 0;
    std::uint64_t read_bytes = 0;
    std::vector<StepLatency> latencies;  // kinds of which there was none are missing
};

struct ErrorCount {
    std::string error;  // "ENOMEM"
    std::uint64_t count = 0;
};

// Of the daemon's I/O on the lower file since its start, as it said last.
struct DaemonIo {
    std::uint64_t requests = 0;         // that it answered
    std::uint64_t short_transfers = 0;  // calls that moved less than was asked; the rest was done by others
    std::vector<ErrorCount> errors;     // requests that failed, injected errors among them
};

// What running so costs, up to the stall's detection where there was one: what relief does afterwards is
// the harness's doing.
struct Cost {
    std::optional<WorkloadCost> workload;    // nullopt: it did not begin
    std::optional<DaemonIo> daemon;          // nullopt: there is none, or it did not tell
    std::optional<std::uint64_t> oom_kills;  // of the run's cgroups; nullopt: the kernel does not tell
    std::optional<std::uint64_t> machine_oom_kills;  // of the whole machine, in the same time
};

struct Verification {
    bool done = false;
    std::string skipped_reason;  // when not done
    std::uint64_t files_checked = 0;
    std::uint64_t bytes_checked = 0;
    std::uint64_t files_wrong = 0;  // missing, short or different
    std::string first_difference;
    std::string mode;  // what was checked: "complete" (all that the workload did, after it finished) |
                       // "acknowledged" (what an fsync had acknowledged before the stall ended the workload);
                       // empty: nothing was to be verified
    std::string how;   // acknowledged: what was done to the stack before it was read
};

struct DaemonExit {
    bool unexpected = false;  // before teardown asked for it
    double at_s = 0;
    int code = 0;
    int signal = 0;
    bool oom_killed = false;  // the kernel log says that the OOM killer took its pid
    std::string last_words;   // the tail of its log
};

// A fault that the scenario asked for. It explains a verdict and decides none: that is left to what the
// fault does.
struct Fault {
    std::string name;
    std::string detail;              // what was done, or why nothing was
    std::optional<double> at_s;      // nullopt: it was not injected
    std::optional<double> lifted_s;  // nullopt: it was not lifted
};

// What the scenario had somebody else do while the workload ran. It decides nothing, like a fault.
struct Meanwhile {
    std::string command;
    std::uint64_t rounds = 0;  // that came to their end
    std::uint64_t failed = 0;  // of these, with another exit status than 0
    std::string first_failure;
    double longest_s = 0;  // of those that came to their end
    std::optional<double>
        hanging_s;             // how long one had not ended when the pressure did; nullopt: none was on
    std::string undo_failure;  // empty: what was to be undone was
};

struct Evidence {
    int schema = schema_version;
    std::string scenario;
    Expectation expected;
    Limits limits;
    Environment environment;
    Devices devices;
    std::string placement;  // "shared" | "siblings" | "apart" | "none"
    std::string engine;
    std::vector<Mitigation> mitigations;
    std::string unsupported_reason;  // not empty: the run was not made
    std::string harness_error;       // not empty: the harness failed
    std::vector<int> daemon_tids;
    std::vector<int> daemon_io_tids;  // those of them that take and answer requests; empty: not known
    std::vector<ProgressPoint> progress;
    std::optional<Stall> stall;
    std::vector<ReliefRung> relief;
    TraceSummary trace;  // up to the stall's detection, where there is a stall
    WorkloadResult workload;
    Verification verification;
    std::optional<DaemonExit> daemon_exit;
    std::vector<std::string> kernel_log;  // lines of the run's own dmesg slice that speak of trouble, up to
                                          // the stall's detection: relief fails I/O by design
    std::vector<std::string> leftovers;   // what teardown could not remove
    double duration_s = 0;                // from the start of the run to the end of teardown
    std::optional<Guest> guest;           // nullopt: the run was made on the machine itself
    std::vector<Fault> faults;            // injected on purpose; empty: none was asked for
    std::optional<Cost> cost;             // nullopt: no workload was started, or older evidence
    // From here on absent in older evidence; up to the stall's detection, like kernel_log, but for the fate
    // of victims, who are followed until their stack is taken down.
    std::vector<OomVictim> oom_victims;
    std::vector<LockReport> lock_reports;
    std::vector<AllocationStall> allocation_stalls;
    std::optional<bool> lockdep;          // this kernel looks for lock orders that may deadlock
    std::optional<IoCgroups> io_cgroups;  // nullopt: none were asked for
    std::optional<Meanwhile> meanwhile;   // nullopt: none was asked for, or older evidence
    std::optional<Hog> hog;               // likewise
    // The run was not made: no daemon, and harness_error is empty.
    std::optional<DaemonFailure> daemon_failure;
};

}  // namespace reflux::evidence
