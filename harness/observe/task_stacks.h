// Who runs, sleeps and hangs: states, flags, context switches and kernel stacks of tasks, from proc.
// Only stat, status, stack and wchan are read: none of them takes a lock (mmap_lock, as cmdline would) that a
// hung task may hold. `proc_root` is "/proc", or a materialised tree in tests.
// A task that ends between two reads is left out and is no error.
#pragma once

#include "backend/base/result.h"
#include "harness/evidence/evidence.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::observe {

// A filesystem's device, as kernel threads name it.
struct WatchedDevice {
    std::string name;  // "loop1": jbd2/loop1-8, xfsaild/loop1, kworker/0:1H+xfs-log/loop1, kworker/u8:2+loop1
    std::string number;      // "7:1": kworker/u8:2+flush-7:1
    std::string filesystem;  // "ext4" | "xfs" | "btrfs" | "f2fs"; needed only to claim btrfs threads
};

// What belongs to the stack under test; empty fields match nothing.
struct StackMembers {
    WatchedDevice upper;
    WatchedDevice lower;
    std::vector<int> daemon_pids;    // processes, not threads
    std::vector<int> workload_pids;  // likewise
};

// The process and all that it has started and that are still its descendants, itself first.
std::vector<int> process_tree(const std::string& proc_root, int pid);

// All threads of one process, each with the given role. Empty when there is no such process. Stacks only if
// asked for: the kernel unwinds each of them under a lock of that task, some 20 µs a thread.
Result<std::vector<evidence::TaskSample>> sample_process(const std::string& proc_root, int pid,
                                                         std::string_view role, bool with_stacks);

// Every task of the machine that is in uninterruptible sleep (D), and the kernel threads of the members'
// devices in any state but idle ('I', a worker with no work). Roles: daemon and workload by pid, upper and
// lower by the device in the thread's name, else "other". A btrfs thread names no device; it is upper's (or
// lower's) when that one is the only btrfs of the stack.
Result<std::vector<evidence::TaskSample>> sample_blocked(const std::string& proc_root,
                                                         const StackMembers& members, bool with_stacks);

// Both: all threads of the daemon's and the workload's processes, then what else sample_blocked finds, each
// task once.
Result<evidence::TaskSnapshot> sample_stack(const std::string& proc_root, const StackMembers& members,
                                            bool with_stacks, double at_s);

// The pure parts.

// /proc/PID/task/TID/stack: "[<0>] xfs_buf_lock+0x2b/0x80 [xfs]" becomes "xfs_buf_lock"; innermost first.
std::vector<std::string> parse_task_stack(std::string_view text);
struct ContextSwitches {
    std::uint64_t voluntary = 0;
    std::uint64_t involuntary = 0;
};
// /proc/PID/task/TID/status; a line that is missing or no number counts as 0.
ContextSwitches parse_context_switches(std::string_view status);
// "upper", "lower", or "" for a thread whose name speaks of neither device.
std::string_view role_of_kernel_thread(std::string_view name, const StackMembers& members);

}  // namespace reflux::observe
