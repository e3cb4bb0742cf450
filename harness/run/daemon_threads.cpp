#include "harness/run/daemon_threads.h"

#include "backend/base/kernel_file.h"
#include "backend/base/task_stat.h"
#include "harness/observe/daemon_status.h"
#include "harness/observe/task_stacks.h"

#include <algorithm>

namespace reflux::run {
namespace {

constexpr Seconds status_time{5};

// The one that answers questions must not wait for memory.
Status ask_refluxd(const stack::Stack& stack, const pressure::Memcg& memcg, evidence::Evidence& evidence) {
    const auto report = observe::ask_daemon(stack.control_socket, status_time, 0);
    if (!report.status.answered) {
        return fail(ErrorKind::system, "refluxd does not answer on its control socket: " + report.problem);
    }
    for (const auto& thread : report.threads) {
        if (thread.role == "control") {
            REFLUX_CHECK(pressure::spare_control_thread(memcg, thread.tid));
        } else if (thread.role != "io_worker") {
            // io_uring's workers come and go, and take nothing: they do what the ring's thread gives them.
            evidence.daemon_io_tids.push_back(thread.tid);
        }
    }
    return {};
}

}  // namespace

Status know_daemon(const stack::Stack& stack, const pressure::Memcg& memcg, evidence::Evidence& evidence) {
    for (const int pid : observe::process_tree("/proc", stack.daemon.pid)) {
        const auto threads = read_threads(fmt::format("/proc/{}", pid));
        for (const auto& thread : threads ? *threads : std::vector<ThreadStat>{}) {
            evidence.daemon_tids.push_back(thread.tid);
        }
    }
    if (!stack.control_socket.empty()) {
        return ask_refluxd(stack, memcg, evidence);
    }
    // The command may have been a shell's.
    REFLUX_TRY(const auto name, read_file(fmt::format("/proc/{}/comm", stack.daemon.pid)));
    evidence.devices.daemon = trimmed(name);
    return {};
}

evidence::DaemonExit unexpected_end(const ExitStatus& exit, int pid, double at_s, const std::string& log,
                                    const std::vector<std::string>& kernel_log) {
    evidence::DaemonExit end{.unexpected = true, .at_s = at_s, .code = exit.code, .signal = exit.signal};
    const std::string killed = fmt::format("Killed process {} ", pid);
    end.oom_killed = std::ranges::any_of(
        kernel_log, [&](const std::string& line) { return line.find(killed) != std::string::npos; });
    if (const auto text = read_file(log)) {
        const auto lines = lines_of(*text);
        end.last_words = lines.empty() ? "" : lines.back();
    }
    return end;
}

evidence::DaemonFailure failure_of(const stack::DaemonTrouble& it) {
    return {.command = it.command,
            .waited_for = it.waited_for,
            .waited_s = it.waited.count(),
            .ended = it.ended,
            .trouble = it.trouble,
            .last_lines = it.last_lines};
}

std::optional<evidence::DaemonFailure> end_before_work(stack::Stack& stack, const scenario::Daemon& daemon,
                                                       const std::string& log, const Error& error) {
    const auto exit =
        stack.daemon.pid > 0 ? reap(stack.daemon) : Result<std::optional<ExitStatus>>(std::nullopt);
    if (!exit || !*exit) {
        return std::nullopt;
    }
    return evidence::DaemonFailure{.command = daemon.is_foreign() ? daemon.command : "refluxd",
                                   .waited_for = "the workload to begin",
                                   .ended = to_string(**exit),
                                   .trouble = error.message,
                                   .last_lines = stack::last_lines(log)};
}

}  // namespace reflux::run
