#include "harness/mitigation/audit.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include <fnmatch.h>

namespace reflux::mitigation {
namespace {

// As refluxd names itself and its threads.
constexpr std::string_view refluxd_name = "refluxd";
constexpr const char* refluxd_control_thread = "refluxd-ctl";

constexpr std::string_view io_wq_prefix = "iou-wrk-";
constexpr std::string_view sqpoll_prefix = "iou-sqp-";

bool has_ended(const TaskStat& stat) {
    return stat.state == 'Z' || stat.state == 'X';
}

Kind kind_of(const ThreadStat& thread, int pid) {
    if ((thread.stat.flags & pf_kthread) != 0) {
        return Kind::kernel;
    }
    // Any thread can take any name; the flag is the kernel's.
    if ((thread.stat.flags & pf_io_worker) != 0) {
        return thread.stat.name.starts_with(sqpoll_prefix) ? Kind::sqpoll : Kind::io_wq_worker;
    }
    return thread.tid == pid ? Kind::main : Kind::other;
}

bool is_of_io_uring(Kind kind) {
    return kind == Kind::io_wq_worker || kind == Kind::sqpoll;
}

const ThreadStat* find_thread(const Process& process, int tid) {
    const auto found = std::find_if(process.threads.begin(), process.threads.end(),
                                    [&](const ThreadStat& thread) { return thread.tid == tid; });
    return found == process.threads.end() ? nullptr : &*found;
}

// The thread that one of io_uring's works for, by the number in its name; nullptr when it cannot be told.
const ThreadStat* served_by(const ThreadStat& worker, const Process& process) {
    const std::string_view name = worker.stat.name;
    if (!process.first_pid_namespace ||
        !(name.starts_with(io_wq_prefix) || name.starts_with(sqpoll_prefix))) {
        return nullptr;
    }
    int tid = 0;
    const auto parsed = std::from_chars(name.data() + io_wq_prefix.size(), name.data() + name.size(), tid);
    if (parsed.ec != std::errc{} || parsed.ptr != name.data() + name.size()) {
        return nullptr;
    }
    const auto* served = find_thread(process, tid);
    // A younger one has got the number of a thread that has ended.
    return served != nullptr && served->stat.start_time <= worker.stat.start_time ? served : nullptr;
}

// The oldest marked thread but the main one; nullptr: there is none.
const ThreadStat* oldest_marked(const Process& process) {
    const ThreadStat* oldest = nullptr;
    for (const auto& thread : process.threads) {
        if (thread.tid != process.pid && is_io_flusher(thread.stat) &&
            (oldest == nullptr || thread.stat.start_time < oldest->stat.start_time)) {
            oldest = &thread;
        }
    }
    return oldest;
}

// Of an unmarked thread; nullopt when no thread is marked. The rules stand in the header.
std::optional<Origin> origin_of(const ThreadStat& thread, const ThreadStat* serves, const Process& process) {
    const auto* main = find_thread(process, process.pid);
    const bool main_marked = main != nullptr && is_io_flusher(main->stat);
    const auto* oldest = oldest_marked(process);
    if (!main_marked && oldest == nullptr) {
        return std::nullopt;
    }
    if (serves != nullptr) {
        return Origin{is_io_flusher(serves->stat) ? Origin::Kind::before_other : Origin::Kind::of_unmarked,
                      serves->tid};
    }
    if (thread.tid == process.pid) {
        return Origin{Origin::Kind::main};
    }
    if (oldest == nullptr || thread.stat.start_time < oldest->stat.start_time) {
        return Origin{main_marked ? Origin::Kind::before_main : Origin::Kind::before_all};
    }
    return Origin{
        thread.stat.start_time == oldest->stat.start_time ? Origin::Kind::same_tick_as : Origin::Kind::after,
        oldest->tid};
}

bool matches(const std::string& pattern, const ThreadStat& thread) {
    return pattern == std::to_string(thread.tid) ||
           ::fnmatch(pattern.c_str(), thread.stat.name.c_str(), 0) == 0;
}

bool matches_any(const std::vector<std::string>& patterns, const ThreadStat& thread) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& pattern) { return matches(pattern, thread); });
}

Status check_names(const Process& process, const IoPath& io_path) {
    for (const auto& pattern : io_path.only) {
        const bool found = std::any_of(process.threads.begin(), process.threads.end(),
                                       [&](const ThreadStat& thread) { return matches(pattern, thread); });
        if (!found) {
            return fail(ErrorKind::invalid_input,
                        fmt::format("process {} has no thread '{}'", process.pid, pattern));
        }
    }
    return {};
}

AuditedThread audited(const ThreadStat& thread, const ThreadStat& main, const Process& process,
                      const IoPath& io_path) {
    AuditedThread result{.thread = thread, .kind = kind_of(thread, process.pid)};
    const auto* serves = is_of_io_uring(result.kind) ? served_by(thread, process) : nullptr;
    if (serves != nullptr) {
        result.works_for = serves->tid;
    }
    result.started_s =
        (static_cast<double>(thread.stat.start_time) - static_cast<double>(main.stat.start_time)) /
        static_cast<double>(process.ticks_per_second);
    result.ended = has_ended(thread.stat);
    result.marked = is_io_flusher(thread.stat);
    result.on_io_path = !result.ended && !matches_any(io_path.except, thread) &&
                        (io_path.only.empty() || matches_any(io_path.only, thread));
    if (!result.marked) {
        result.origin = origin_of(thread, serves, process);
    }
    return result;
}

}  // namespace

std::string to_string(Kind kind) {
    switch (kind) {
        case Kind::main:
            return "main thread";
        case Kind::io_wq_worker:
            return "io-wq worker";
        case Kind::sqpoll:
            return "SQPOLL thread";
        case Kind::kernel:
            return "kernel thread";
        case Kind::other:
            break;
    }
    return "thread";
}

bool Origin::before_mark() const {
    return kind == Kind::before_main || kind == Kind::before_all || kind == Kind::before_other;
}

std::string to_string(const Origin& origin) {
    switch (origin.kind) {
        case Origin::Kind::before_main:
            return "made before the main thread was marked, or by one that was";
        case Origin::Kind::before_all:
            return "made before every marked thread";
        case Origin::Kind::before_other:
            return fmt::format("made before thread {} was marked", origin.tid);
        case Origin::Kind::of_unmarked:
            return fmt::format("as is thread {}, for which it works", origin.tid);
        case Origin::Kind::after:
            return fmt::format("made after the marked thread {}, by an unmarked one", origin.tid);
        case Origin::Kind::same_tick_as:
            return fmt::format("made at the same time as the marked thread {}", origin.tid);
        case Origin::Kind::main:
            break;
    }
    return "others are marked, but not what this one makes";
}

Result<Audit> audit(const Process& process, const IoPath& io_path) {
    const auto* main = find_thread(process, process.pid);
    const bool ended = std::all_of(process.threads.begin(), process.threads.end(),
                                   [](const ThreadStat& thread) { return has_ended(thread.stat); });
    if (main == nullptr || ended) {
        return fail(ErrorKind::unsupported, fmt::format("process {} has ended", process.pid));
    }
    REFLUX_CHECK(check_names(process, io_path));
    IoPath path = io_path;
    if (main->stat.name.starts_with(refluxd_name) && path.only.empty() && path.except.empty()) {
        path.except.emplace_back(refluxd_control_thread);
    }
    Audit result{.pid = process.pid, .name = main->stat.name};
    for (const auto& thread : process.threads) {
        result.threads.push_back(audited(thread, *main, process, path));
        const auto& last = result.threads.back();
        result.on_io_path += last.on_io_path ? 1U : 0U;
        result.unmarked += last.on_io_path && !last.marked ? 1U : 0U;
    }
    if (result.on_io_path == 0) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("no thread of process {} is left on the I/O path", process.pid));
    }
    return result;
}

}  // namespace reflux::mitigation
