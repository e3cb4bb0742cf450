// What the daemon does to protect itself from its own memory reclaim, and the proof that it holds.
#pragma once

#include "backend/base/result.h"

#include <cstddef>
#include <cstdint>
#include <span>
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
inline constexpr const char* tcmu_thread_name = "refluxd-tcmu";  // a front end's, too
inline constexpr const char* ublk_thread_name = "refluxd-ublk";  // of the front end ublk; may be several
inline constexpr const char* control_thread_name = "refluxd-ctl";
inline constexpr const char* translation_thread_name = "refluxd-map";
inline constexpr const char* reclaim_thread_name = "refluxd-reclaim";

// What the command line asks for.
struct SelfProtection {
    enum class IoFlusher {
        off,
        start,  // before there are threads: all of them
        late    // when all threads are there: the calling one alone, which is what goes wrong in the field
    } io_flusher = IoFlusher::off;
    bool lock_memory = false;
};
std::string_view to_string(SelfProtection::IoFlusher when);

// All threads of this process, from /proc/self/task.
Result<std::vector<ThreadInfo>> list_threads();

// Call it before there are threads. unsupported: a capability or a limit forbids it, named.
Status protect_at_start(const SelfProtection& wanted);
// When all threads are there: marks late, or reads back from every thread that the mark is there, and that
// memory is locked. unsupported: what was granted is not in force.
Status protect_when_ready(const SelfProtection& wanted);

// VmLck of /proc/self/status, bytes.
Result<std::uint64_t> locked_memory();
// How much of it is in memory, in whole pages. Not all of it need be mapped any more.
std::size_t resident_bytes(std::span<const std::byte> memory);

}  // namespace reflux
