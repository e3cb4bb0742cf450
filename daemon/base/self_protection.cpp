#include "daemon/base/self_protection.h"

#include "backend/base/io_flusher.h"
#include "backend/base/task_stat.h"

namespace reflux {
namespace {

std::string role_of(const TaskStat& stat) {
    const std::string& name = stat.name;
    if ((stat.flags & pf_io_worker) != 0) {
        return "io_worker";
    }
    if (name == control_thread_name) {
        return "control";
    }
    if (name == front_end_thread_name) {
        return "front_end";
    }
    if (name == reclaim_thread_name) {
        return "reclaim";
    }
    if (name.starts_with(translation_thread_name)) {
        return "translation";
    }
    return name.starts_with(io_thread_name) ? "io" : "other";
}

}  // namespace

Result<std::vector<ThreadInfo>> list_threads() {
    REFLUX_TRY(const auto all, read_threads("/proc/self"));
    std::vector<ThreadInfo> threads;
    threads.reserve(all.size());
    for (const auto& [tid, stat] : all) {
        threads.push_back({.tid = tid,
                           .name = stat.name,
                           .role = role_of(stat),
                           .flags = stat.flags,
                           .io_flusher = is_io_flusher(stat)});
    }
    return threads;
}

Status become_io_flusher() {
    auto marked = mark_io_flusher();
    return marked ? marked : Status(fail(marked.error().within("--io-flusher")));
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
