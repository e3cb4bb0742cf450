#include "harness/observe/late_threads.h"

#include "backend/base/kernel_file.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace reflux::observe {

std::optional<Birth> parse_birth(const TraceLine& line, double run_start_s) {
    // include/uapi/linux/sched.h. create_io_thread() and vhost_task_create() set both; kernel_thread() sets
    // the first alone, and so does no fork of a program's.
    constexpr std::uint64_t clone_untraced = 0x00800000;
    constexpr std::uint64_t clone_thread = 0x00010000;
    constexpr int hexadecimal = 16;
    Birth birth{.at_s = line.time_s - run_start_s};
    // The name may hold anything: what stands behind it is looked for from the end.
    const auto flags = last_trace_field(line.fields, "clone_flags").value_or("");
    std::uint64_t bits = 0;
    const auto [end, error] = std::from_chars(flags.data(), flags.data() + flags.size(), bits, hexadecimal);
    if (line.event != "task_newtask" || error != std::errc{} || end != flags.data() + flags.size() ||
        !read_number_of(trace_field(line.fields, "pid").value_or(""), birth.tid) || birth.tid <= 0) {
        return std::nullopt;
    }
    birth.forked = (bits & clone_untraced) == 0 || (bits & clone_thread) == 0;
    return birth;
}

void LateThreads::know(int tid) {
    // Of a daemon that makes threads without end, the oldest are gone; /proc tells which ones are new then.
    constexpr std::size_t most = 65536;
    if (known_.size() >= most) {
        known_.clear();
    }
    known_.insert(tid);
}

void LateThreads::add(LateThread thread) {
    constexpr std::size_t most_told = 8;
    know(thread.tid);
    ++count_;
    if (first_.size() < most_told) {
        first_.push_back(std::move(thread));
    }
}

std::string LateThreads::told(std::optional<bool> machine_reclaimed) const {
    std::vector<std::string> each;
    for (const LateThread& one : first_) {
        const auto name =
            fmt::format("{}[{}]", one.name.empty() ? "a thread that was gone" : one.name, one.tid);
        each.push_back(!one.followed_s ? fmt::format("{} not at all", name)
                       : one.born_s    ? fmt::format("{} {:.0f} ms after its birth", name,
                                                     std::max(*one.followed_s - *one.born_s, 0.0) * 1000)
                                       : fmt::format("{} at {:.1f} s", name, *one.followed_s));
    }
    return fmt::format(
        "{} thread{} of the daemon that the kernel made past event-fork (io_uring's) {} followed late: {}{}; "
        "what they did before is not in the trace{}",
        count_, count_ == 1 ? "" : "s", count_ == 1 ? "was" : "were", fmt::join(each, ", "),
        count_ > first_.size() ? ", …" : "",
        machine_reclaimed == false ? ", but nobody on the machine entered a reclaim while it was on" : "");
}

std::optional<bool> was_turned_on(std::string_view enable) {
    const auto text = trimmed(enable);
    return text == "1*" ? std::optional(true) : text == "0*" ? std::optional(false) : std::nullopt;
}

}  // namespace reflux::observe
