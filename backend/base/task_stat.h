// /proc/PID/stat and /proc/PID/task/TID/stat, as proc(5) numbers the fields.
#pragma once

#include "backend/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reflux {

struct TaskStat {
    std::string name;              // field 2, without its parentheses
    char state = '?';              // 3
    int parent = 0;                // 4: pid
    std::uint64_t flags = 0;       // 9: PF_* of the kernel
    std::uint64_t cpu_ticks = 0;   // 14 + 15: user and system time, clock ticks
    std::uint64_t start_time = 0;  // 22: clock ticks since boot
};

// `text` is one line of a stat file; the name in it may itself hold blanks and parentheses.
Result<TaskStat> parse_task_stat(std::string_view text);
// An error when the task does not exist (any more).
Result<TaskStat> read_task_stat(const std::string& path);

// A thread, by its number in the pid namespace of the proc that was read.
struct ThreadStat {
    int tid = 0;
    TaskStat stat;
};
// The threads of a process by its folder in proc ("/proc/self", "/proc/4711"), in the order of their numbers.
// proc gives no snapshot: they are read again until no new one has come meanwhile. An error when there is no
// such process, or it ends (errnum ENOENT or ESRCH); timed_out when it makes threads faster than they are
// read.
Result<std::vector<ThreadStat>> read_threads(const std::string& process_folder);

// The process that a thread belongs to, from `proc`/TID/status. An error when there is no such thread.
Result<int> process_of(const std::string& proc, int tid);

// Bits of `flags` (PF_* in include/linux/sched.h), the same on 5.10 to 7.2. PR_SET_IO_FLUSHER sets NOIO and
// LOCAL_THROTTLE on a thread: its allocations start no I/O, and dirty throttling looks at the device that it
// writes to alone. (LOCAL_THROTTLE was LESS_THROTTLE before 5.8, IO_WORKER was 0x20000000 before 5.10.)
constexpr std::uint64_t pf_io_worker = 0x00000010;      // a thread that io_uring made in the process
constexpr std::uint64_t pf_memalloc = 0x00000800;       // it is freeing memory: may use reserves, no reclaim
constexpr std::uint64_t pf_memalloc_nofs = 0x00040000;  // its allocations do not call filesystems
constexpr std::uint64_t pf_memalloc_noio = 0x00080000;  // nor start I/O
constexpr std::uint64_t pf_local_throttle = 0x00100000;
constexpr std::uint64_t pf_kthread = 0x00200000;
constexpr std::uint64_t pf_io_flusher = pf_memalloc_noio | pf_local_throttle;
// As PR_GET_IO_FLUSHER answers.
constexpr bool is_io_flusher(const TaskStat& stat) {
    return (stat.flags & pf_io_flusher) == pf_io_flusher;
}

}  // namespace reflux
