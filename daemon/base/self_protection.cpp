#include "daemon/base/self_protection.h"

#include "backend/base/kernel_file.h"
#include "backend/base/task_stat.h"

#include <cstdlib>

#include <sys/prctl.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

namespace reflux {
namespace {

std::string role_of(const std::string& name) {
    if (name == control_thread_name) {
        return "control";
    }
    if (name == front_end_thread_name) {
        return "front_end";
    }
    return name.starts_with(io_thread_name) ? "io" : "other";
}

}  // namespace

Result<std::vector<ThreadInfo>> list_threads() {
    const std::string folder = "/proc/self/task";
    REFLUX_TRY(const auto tids, list_directory(folder));
    std::vector<ThreadInfo> threads;
    for (const auto& tid : tids) {
        const auto stat = read_task_stat(folder + "/" + tid + "/stat");
        if (!stat) {
            continue;  // it has ended since the folder was read
        }
        threads.push_back({.tid = std::atoi(tid.c_str()),
                           .name = stat->name,
                           .role = role_of(stat->name),
                           .flags = stat->flags,
                           .io_flusher = (stat->flags & pf_io_flusher) == pf_io_flusher});
    }
    return threads;
}

Status become_io_flusher() {
    if (::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) == 0) {
        return {};
    }
    const int error = errno;
    return fail(
        {.kind = ErrorKind::unsupported,
         .message = error == EPERM
                        ? "--io-flusher: prctl PR_SET_IO_FLUSHER is refused: it needs CAP_SYS_RESOURCE"
                        : system_error("--io-flusher: prctl PR_SET_IO_FLUSHER (Linux 5.6)", error).message,
         .errnum = error});
}

Status check_io_flushers() {
    REFLUX_TRY(const auto threads, list_threads());
    for (const auto& thread : threads) {
        if (!thread.io_flusher) {
            return fail(ErrorKind::system,
                        fmt::format("thread {} ({}) is no I/O flusher: its flags are {:#x}", thread.tid,
                                    thread.name, thread.flags));
        }
    }
    return {};
}

}  // namespace reflux
