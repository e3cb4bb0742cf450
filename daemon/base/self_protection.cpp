#include "daemon/base/self_protection.h"

#include "backend/base/io_flusher.h"
#include "backend/base/kernel_file.h"
#include "backend/base/task_stat.h"

#include <algorithm>
#include <charconv>

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

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
    if (name == front_end_thread_name || name == tcmu_thread_name || name == ublk_thread_name) {
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

Status become_io_flusher(std::string_view option) {
    auto marked = mark_io_flusher();
    return marked ? marked : Status(fail(marked.error().within(std::string(option))));
}

// Reads back from these threads, or from all, that the mark is there: what prctl returned proves nothing.
Status check_io_flushers(const std::vector<pid_t>& only) {
    REFLUX_TRY(const auto threads, list_threads());
    for (const auto& thread : threads) {
        const bool asked = only.empty() || std::ranges::find(only, thread.tid) != only.end();
        if (asked && !thread.io_flusher) {
            return fail(ErrorKind::unsupported,
                        fmt::format("prctl PR_SET_IO_FLUSHER succeeds without effect: thread {} ({}) is no "
                                    "I/O flusher, its flags are {:#x}",
                                    thread.tid, thread.name, thread.flags));
        }
    }
    return {};
}

// Every page of now, and every page of later when it is mapped. A thread's stack is mapped whole: with the
// usual 8 MiB a few threads would fill a small memcg with stacks that nobody uses.
Status lock_memory() {
    constexpr std::size_t stack_size = std::size_t{1} << 20U;
    pthread_attr_t attributes{};
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, stack_size);
    const int refused = ::pthread_setattr_default_np(&attributes);
    ::pthread_attr_destroy(&attributes);
    if (refused != 0) {
        return fail_errno("--mlock: pthread_setattr_default_np", refused);
    }
    if (::mlockall(MCL_CURRENT | MCL_FUTURE) == 0) {
        return {};
    }
    const int error = errno;
    rlimit limit{};
    ::getrlimit(RLIMIT_MEMLOCK, &limit);
    return fail({.kind = ErrorKind::unsupported,
                 .message = fmt::format("--mlock: {}; it needs CAP_IPC_LOCK, or a higher RLIMIT_MEMLOCK (now "
                                        "{} KiB)",
                                        system_error("mlockall", error).message, limit.rlim_cur / 1024),
                 .errnum = error});
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

Status protect_at_start(const SelfProtection& wanted) {
    if (wanted.io_flusher == SelfProtection::IoFlusher::start) {
        REFLUX_CHECK(become_io_flusher("--io-flusher"));
    }
    return wanted.lock_memory ? lock_memory() : Status{};
}

Status protect_when_ready(const SelfProtection& wanted) {
    if (wanted.io_flusher == SelfProtection::IoFlusher::late) {
        REFLUX_CHECK(become_io_flusher("--io-flusher-late"));
        REFLUX_CHECK(check_io_flushers({::gettid()}));
    } else if (wanted.io_flusher == SelfProtection::IoFlusher::start) {
        REFLUX_CHECK(check_io_flushers({}));
    }
    if (wanted.lock_memory) {
        REFLUX_TRY(const std::uint64_t locked, locked_memory());
        if (locked == 0) {
            return fail(ErrorKind::unsupported, "--mlock: mlockall succeeds without effect: VmLck is 0");
        }
    }
    return {};
}

std::string_view to_string(SelfProtection::IoFlusher when) {
    switch (when) {
        case SelfProtection::IoFlusher::off:
            return "off";
        case SelfProtection::IoFlusher::start:
            return "start";
        case SelfProtection::IoFlusher::late:
            return "late";
    }
    return "off";
}

Result<std::uint64_t> locked_memory() {
    REFLUX_TRY(const auto text, read_file("/proc/self/status"));
    constexpr std::string_view key = "VmLck:";
    for (const auto& line : lines_of(text)) {
        if (line.starts_with(key)) {
            const std::size_t digits = std::min(line.find_first_of("0123456789"), line.size());
            std::uint64_t kib = 0;
            std::from_chars(line.data() + digits, line.data() + line.size(), kib);
            return kib * 1024;
        }
    }
    return fail(ErrorKind::system, "/proc/self/status has no VmLck");
}

std::size_t resident_bytes(std::span<const std::byte> memory) {
    if (memory.empty()) {
        return 0;
    }
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> pages((memory.size() + page - 1) / page);
    // Of memory that is gone it says ENOMEM. It takes no const: it writes to `pages` alone.
    if (::mincore(const_cast<std::byte*>(memory.data()), memory.size(), pages.data()) != 0) {  // NOLINT
        return 0;
    }
    return page * static_cast<std::size_t>(
                      std::ranges::count_if(pages, [](unsigned char one) { return (one & 1U) != 0; }));
}

}  // namespace reflux
