// /proc/PID/stat and /proc/PID/task/TID/stat, as proc(5) numbers the fields.
#pragma once

#include "backend/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace reflux {

struct TaskStat {
    std::string name;              // field 2, without its parentheses
    char state = '?';              // 3
    std::uint64_t flags = 0;       // 9: PF_* of the kernel
    std::uint64_t cpu_ticks = 0;   // 14 + 15: user and system time, clock ticks
    std::uint64_t start_time = 0;  // 22: clock ticks since boot
};

// `text` is one line of a stat file; the name in it may itself hold blanks and parentheses.
Result<TaskStat> parse_task_stat(std::string_view text);
// An error when the task does not exist (any more).
Result<TaskStat> read_task_stat(const std::string& path);

// PR_SET_IO_FLUSHER sets both on a thread (include/linux/sched.h): its allocations start no I/O, and dirty
// throttling looks at the device that it writes to alone.
constexpr std::uint64_t pf_memalloc_noio = 0x00080000;
constexpr std::uint64_t pf_local_throttle = 0x00100000;
constexpr std::uint64_t pf_io_flusher = pf_memalloc_noio | pf_local_throttle;

}  // namespace reflux
