#include "harness/observe/incidents.h"

#include "backend/base/kernel_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace reflux::observe {
namespace {

constexpr std::size_t most = 64;

// What is between the two; empty: they are not there in this order.
std::string_view between(std::string_view text, std::string_view before, std::string_view after) {
    const auto begin = text.find(before);
    if (begin == std::string_view::npos) {
        return {};
    }
    const auto rest = text.substr(begin + before.size());
    const auto end = rest.find(after);
    return end == std::string_view::npos ? std::string_view{} : rest.substr(0, end);
}

template <class Number>
std::optional<Number> number_at(std::string_view text) {
    Number number{};
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    return read.ec == std::errc{} ? std::optional(number) : std::nullopt;
}

// Headings of lockdep's reports (kernel/locking/lockdep.c). Before 4.13 they stood in "[ INFO: … ]".
constexpr std::array<std::string_view, 8> headings = {
    "possible circular locking dependency detected",
    "possible recursive locking detected",
    "possible irq lock inversion dependency detected",
    "inconsistent lock state",
    "-unsafe lock order detected",
    "Nested lock was not taken",
    "bad unlock balance detected",
    "Invalid wait context",
};

// "possible circular locking dependency" of "WARNING: possible circular locking dependency detected"
std::string_view kind_of(std::string_view line) {
    const auto begins = [&](std::string_view with) { return line.starts_with(with); };
    if (std::ranges::none_of(headings,
                             [&](auto words) { return line.find(words) != std::string_view::npos; })) {
        return {};
    }
    for (const std::string_view head : {"WARNING: ", "[ INFO: ", "[ BUG: ", "INFO: ", "[ "}) {
        if (begins(head)) {
            line.remove_prefix(head.size());
            break;
        }
    }
    for (const std::string_view tail : {" ]", "!", " detected"}) {
        if (line.ends_with(tail)) {
            line.remove_suffix(tail.size());
        }
    }
    return line;
}

// "&wp->lock" of "ffff88820660b570 (&wp->lock){+.+.}, at: …", and of "-> #1 (&wp->lock){+.+.}:"
std::string_view lock_in(std::string_view line) {
    const auto begin = line.find('(');
    const auto end = line.find("){");
    return begin == std::string_view::npos || end == std::string_view::npos || end <= begin
               ? std::string_view{}
               : line.substr(begin + 1, end - begin - 1);
}

bool is_of_reclaim(std::string_view line) {
    return line.find("RECLAIM_FS") != std::string_view::npos || lock_in(line) == "fs_reclaim";
}

}  // namespace

void Incidents::take(std::string_view text, double at_s) {
    constexpr std::string_view line_break = "\\x0a";
    for (std::size_t end = 0; end != std::string_view::npos;) {
        end = text.find(line_break);
        take_line(text.substr(0, end), at_s);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + line_break.size());
    }
}

void Incidents::take_line(std::string_view line, double at_s) {
    if (!take_victim(line, at_s) && !take_allocation(line, at_s)) {
        take_lock(line, at_s);
    }
}

// "Memory cgroup out of memory: Killed process 254 (refluxd-io) total-vm:82608kB, anon-rss:1100kB, …"
// "oom_reaper: reaped process 254 (refluxd-io), now anon-rss:0kB, …"
bool Incidents::take_victim(std::string_view line, double at_s) {
    if (line.starts_with("oom_reaper: reaped process ")) {
        const auto pid = number_at<int>(between(line, "process ", " ("));
        for (auto& victim : victims_) {
            if (pid == victim.pid && !victim.reaped_s) {
                victim.reaped_s = at_s;
            }
        }
        return true;
    }
    const auto pid = number_at<int>(between(line, "Killed process ", " ("));
    const auto name_end = line.rfind(") total-vm:");
    const auto name_begin = line.find(" (", line.find("Killed process "));
    if (!pid || *pid <= 0 || name_end == std::string_view::npos || name_begin >= name_end) {
        return false;
    }
    if (victims_.size() < most) {
        constexpr std::uint64_t kib = 1024;
        victims_.push_back(
            {.pid = *pid,
             .name = std::string(line.substr(name_begin + 2, name_end - name_begin - 2)),
             .of_memcg = line.starts_with("Memory cgroup out of memory"),
             .at_s = at_s,
             .anon_bytes = kib * number_at<std::uint64_t>(between(line, "anon-rss:", "kB")).value_or(0),
             .reaped_s = std::nullopt,
             .gone_s = std::nullopt,
             .seen_s = at_s});
    }
    return true;
}

// "XFS: fs_mark(3289) possible memory allocation deadlock size 65624 in kmem_alloc (mode:0x2408240)": kmem.c
// and xfs_buf.c, up to 6.8; without task and size in older ones.
bool Incidents::take_allocation(std::string_view line, double at_s) {
    constexpr std::string_view words = "possible memory allocation deadlock";
    const auto at = line.find(words);
    if (at == std::string_view::npos) {
        return false;
    }
    const auto head = line.substr(0, at);
    const auto colon = head.rfind(": ");
    const auto task = trimmed(colon == std::string_view::npos ? head : head.substr(colon + 2));
    const auto tail = line.substr(at + words.size());
    evidence::AllocationStall found{.task = task,
                                    .function = std::string(between(tail, " in ", " (")),
                                    .mode = std::string(between(tail, "(mode:", ")")),
                                    .bytes = number_at<std::uint64_t>(between(tail, " size ", " in ")),
                                    .count = 1,
                                    .first_s = at_s,
                                    .last_s = at_s};
    const auto same = std::ranges::find_if(allocation_stalls_, [&](const auto& it) {
        return it.task == found.task && it.function == found.function && it.mode == found.mode &&
               it.bytes == found.bytes;
    });
    if (same != allocation_stalls_.end()) {
        ++same->count;
        same->last_s = at_s;
    } else if (allocation_stalls_.size() < most) {
        allocation_stalls_.push_back(std::move(found));
    }
    return true;
}

void Incidents::take_lock(std::string_view line, double at_s) {
    if (const auto kind = kind_of(line); !kind.empty()) {
        in_lock_report_ = lock_reports_.size() < most;
        if (in_lock_report_) {
            lock_reports_.push_back(
                {.at_s = at_s, .kind = std::string(kind), .task = {}, .locks = {}, .reclaim = false});
        }
    } else if (line.starts_with("stack backtrace:")) {
        in_lock_report_ = false;
    } else if (in_lock_report_) {
        take_lock_detail(line);
    }
}

void Incidents::take_lock_detail(std::string_view line) {
    auto& report = lock_reports_.back();
    // "kswapd0/109 is trying to acquire lock:", "kswapd0/35 [HC0[0]:SC0[0]:HE1:SE1] takes:"
    for (const std::string_view words : {" is trying to ", " takes:"}) {
        if (report.task.empty() && line.find(words) != std::string_view::npos) {
            const auto end = std::min(line.find(" is "), line.find(" ["));
            report.task = std::string(line.substr(0, end));
        }
    }
    report.reclaim = report.reclaim || is_of_reclaim(line);
    const std::string lock(lock_in(line));
    if (!lock.empty() && report.locks.size() < most &&
        std::ranges::find(report.locks, lock) == report.locks.end()) {
        report.locks.push_back(lock);
    }
}

}  // namespace reflux::observe
