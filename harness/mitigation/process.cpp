#include "harness/mitigation/process.h"

#include "backend/base/kernel_file.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <unistd.h>

namespace reflux::mitigation {
namespace {

// PROC_PID_INIT_INO, include/linux/proc_ns.h.
constexpr std::string_view first_pid_namespace = "pid:[4026531836]";

bool in_first_pid_namespace(const std::string& proc) {
    std::array<char, 64> target{};
    const ssize_t n = ::readlink((proc + "/self/ns/pid").c_str(), target.data(), target.size());
    return n > 0 && std::string_view(target.data(), static_cast<std::size_t>(n)) == first_pid_namespace;
}

Result<Process> read(const std::string& proc, int id) {
    REFLUX_TRY(const int pid, process_of(proc, id));
    const std::string folder = fmt::format("{}/{}", proc, pid);
    REFLUX_TRY(auto threads, read_threads(folder));
    // Its number may have gone to another process meanwhile.
    REFLUX_TRY(const auto main_now, read_task_stat(folder + "/stat"));
    const auto is_main = [&](const ThreadStat& thread) {
        return thread.tid == pid && thread.stat.start_time == main_now.start_time;
    };
    if (std::none_of(threads.begin(), threads.end(), is_main)) {
        return fail_errno("read " + folder, ESRCH);
    }
    return Process{.pid = pid,
                   .threads = std::move(threads),
                   .first_pid_namespace = in_first_pid_namespace(proc),
                   .ticks_per_second = static_cast<std::uint64_t>(std::max(1L, ::sysconf(_SC_CLK_TCK)))};
}

}  // namespace

Result<Process> read_process(const std::string& proc, int id) {
    auto process = read(proc, id);
    if (process) {
        return process;
    }
    const Error& error = process.error();
    const bool gone = error.errnum == ENOENT || error.errnum == ESRCH;
    return fail({.kind = ErrorKind::unsupported,
                 .message = gone ? fmt::format("there is no process {}, or it has just ended", id)
                                 : fmt::format("process {} cannot be read: {}", id, error.message),
                 .errnum = error.errnum});
}

}  // namespace reflux::mitigation
