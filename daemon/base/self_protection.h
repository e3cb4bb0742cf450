// What the daemon does to protect itself from its own memory reclaim, and the proof that it holds.
#pragma once

#include "backend/base/result.h"

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace reflux {

struct ThreadInfo {
    pid_t tid = 0;
    std::string name;
    // "io" | "io_worker": made by the kernel for engine uring, to do I/O that has to wait | "front_end" |
    // "control" | "translation" | "reclaim" | "other"
    std::string role;
    std::uint64_t flags = 0;  // PF_* of the kernel
    bool io_flusher = false;
};

// Roles follow from the names that the threads give themselves.
inline constexpr const char* io_thread_name = "refluxd-io";
inline constexpr const char* front_end_thread_name = "refluxd-fuse";
inline constexpr const char* control_thread_name = "refluxd-ctl";
inline constexpr const char* translation_thread_name = "refluxd-map";
inline constexpr const char* reclaim_thread_name = "refluxd-reclaim";

// All threads of this process, from /proc/self/task.
Result<std::vector<ThreadInfo>> list_threads();

// mark_io_flusher() (backend/base/io_flusher.h), for the option: call it before there are threads.
Status become_io_flusher();
// Reads back from every thread that the mark is there.
Status check_io_flushers();

}  // namespace reflux
