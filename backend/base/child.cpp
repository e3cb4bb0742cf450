#include "backend/base/child.h"

#include "backend/base/exec_arguments.h"
#include "backend/base/kernel_file.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace reflux {
namespace {

constexpr int exec_failed_status = 127;
constexpr Seconds start_time{30};  // from fork to exec
constexpr const char* oom_score_file = "/proc/self/oom_score_adj";

// What children get back; empty: nothing was taken from them.
std::string& oom_score_before() {
    static std::string score;
    return score;
}

// In the child, between fork and exec. Only async-signal-safe work is needed for exec, but the parent is
// single-threaded (see the header), so strings are allowed.
Status prepare_child(const SpawnOptions& options, pid_t parent) {
    // A process group of its own: an interrupt from the terminal is the harness's to handle, which ends its
    // children.
    if (options.own_group) {
        ::setpgid(0, 0);
    }
    if (options.die_with_parent) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) {
            return fail(ErrorKind::system, "the parent process ended");
        }
    }
    if (!oom_score_before().empty()) {
        REFLUX_CHECK(write_file(oom_score_file, oom_score_before()));
    }
    for (const auto& file : options.cgroup_procs) {
        REFLUX_CHECK(write_file(file, "0"));
    }
    for (const auto& [fd, target] :
         {std::pair{options.stdout_fd, STDOUT_FILENO}, {options.stderr_fd, STDERR_FILENO}}) {
        if (fd >= 0 && ::dup2(fd, target) < 0) {
            return fail_errno("dup2");
        }
    }
    for (const int fd : options.inherit) {
        if (::fcntl(fd, F_SETFD, 0) != 0) {
            return fail_errno("fcntl F_SETFD");
        }
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int number : {SIGINT, SIGTERM, SIGPIPE, SIGHUP}) {
        ::signal(number, SIG_DFL);
    }
    return {};
}

[[noreturn]] void report_and_exit(int fd, const std::string& message, int status = exec_failed_status) {
    // Nobody is left to tell when this write fails.
    [[maybe_unused]] const auto told = write_all(fd, message, "pipe to parent");
    ::_exit(status);
}

// Without exec nothing closes the parent's descriptors: one that a child holds on to while it hangs keeps a
// pipe or a trace instance busy.
void close_others(const std::vector<int>& keep) {
    constexpr int first = 3;
    int from = first;
    std::vector<int> kept = keep;
    std::sort(kept.begin(), kept.end());
    for (const int fd : kept) {
        if (fd > from) {
            ::close_range(static_cast<unsigned>(from), static_cast<unsigned>(fd - 1), 0);
        }
        from = std::max(from, fd + 1);
    }
    ::close_range(static_cast<unsigned>(from), ~0U, 0);
}

[[noreturn]] void exec_child(const std::vector<std::string>& argv, int error_fd) {
    const auto program = find_program(argv.front());
    if (!program) {
        report_and_exit(error_fd, fmt::format("{}: no such program in PATH", argv.front()));
    }
    ::execv(program->c_str(), exec_arguments(argv).data());
    report_and_exit(error_fd, system_error("exec " + *program).message);
}

Result<Child> adopt(pid_t pid) {
    // glibc 2.36 has pidfd_open; the syscall also serves older ones.
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (fd < 0) {
        return fail_errno("pidfd_open");
    }
    return Child{.pid = pid, .pidfd = UniqueFd(fd)};
}

}  // namespace

Status protect_from_oom() {
    REFLUX_TRY(const auto before, read_file(oom_score_file));
    REFLUX_CHECK(write_file(oom_score_file, "-1000"));
    oom_score_before() = trimmed(before);
    return {};
}

Result<Pipe> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail_errno("pipe2");
    }
    return Pipe{.read_end = UniqueFd(ends[0]), .write_end = UniqueFd(ends[1])};
}

Result<SocketPair> make_socket_pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        return fail_errno("socketpair");
    }
    return SocketPair{.ours = UniqueFd(ends[0]), .theirs = UniqueFd(ends[1])};
}

std::string to_string(const ExitStatus& status) {
    if (status.signal != 0) {
        return fmt::format("signal {} ({})", status.signal, ::strsignal(status.signal));
    }
    return fmt::format("exit {}", status.code);
}

Result<Child> spawn(const std::vector<std::string>& argv, const SpawnOptions& options) {
    REFLUX_TRY(auto pipe, make_pipe());
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) {
        return fail_errno("fork");
    }
    if (pid == 0) {
        if (auto ready = prepare_child(options, parent); !ready) {
            report_and_exit(pipe.write_end.get(), ready.error().message);
        }
        exec_child(argv, pipe.write_end.get());
    }
    pipe.write_end.reset();
    REFLUX_TRY(auto child, adopt(pid));
    // Entering a cgroup takes locks of the kernel that a hung machine may hold.
    REFLUX_TRY(const bool told, wait_readable(pipe.read_end.get(), start_time));
    if (!told) {
        REFLUX_CHECK(send_signal(child, SIGKILL));
        return fail(ErrorKind::timed_out,
                    fmt::format("{} was not started within {}", argv.front(), to_string(start_time)));
    }
    REFLUX_TRY(const auto trouble, read_all(pipe.read_end.get(), "pipe from child"));
    if (!trouble.empty()) {
        REFLUX_TRY(const auto ended, wait_for(child, Seconds(1)));
        static_cast<void>(ended);
        return fail(ErrorKind::system, fmt::format("cannot start {}: {}", argv.front(), trouble));
    }
    return child;
}

Result<Child> fork_call(const std::function<Status()>& body, const SpawnOptions& options) {
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) {
        return fail_errno("fork");
    }
    if (pid == 0) {
        auto done = prepare_child(options, parent);
        if (done) {
            close_others(options.inherit);
            done = body();
        }
        if (!done) {
            const int errnum = done.error().errnum;
            report_and_exit(STDERR_FILENO, done.error().message,
                            errnum > 0 && errnum < exec_failed_status ? errnum : exec_failed_status);
        }
        ::_exit(0);
    }
    return adopt(pid);
}

Result<std::optional<ExitStatus>> reap(Child& child) {
    siginfo_t info{};
    // P_PIDFD is 3; glibc 2.36 defines it.
    if (::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &info, WEXITED | WNOHANG) != 0) {
        return fail_errno(fmt::format("waitid {}", child.pid));
    }
    if (info.si_pid == 0) {
        return std::optional<ExitStatus>{};
    }
    if (info.si_code == CLD_EXITED) {
        return std::optional(ExitStatus{.code = info.si_status});
    }
    return std::optional(ExitStatus{.signal = info.si_status});
}

Result<bool> wait_readable(int fd, Seconds deadline) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd poller{.fd = fd, .events = POLLIN, .revents = 0};
        const int ready = ::poll(&poller, 1, std::max(0, static_cast<int>(left.count())));
        if (ready < 0 && errno != EINTR) {
            return fail_errno("poll");
        }
        if (ready > 0 || left.count() <= 0) {
            return ready > 0;
        }
    }
}

Result<std::optional<ExitStatus>> wait_for(Child& child, Seconds deadline) {
    REFLUX_TRY(const bool ended, wait_readable(child.pidfd.get(), deadline));
    return ended ? reap(child) : std::optional<ExitStatus>{};
}

Status send_signal(const Child& child, int signal) {
    if (::syscall(SYS_pidfd_send_signal, child.pidfd.get(), signal, nullptr, 0) != 0 && errno != ESRCH) {
        return fail_errno(fmt::format("pidfd_send_signal {} to {}", signal, child.pid));
    }
    return {};
}

Status call_bounded(const std::string& what, Seconds deadline, const std::function<Status()>& call,
                    SpawnOptions options) {
    REFLUX_TRY(auto pipe, make_pipe());
    options.stderr_fd = pipe.write_end.get();
    REFLUX_TRY(auto child, fork_call(call, options));
    pipe.write_end.reset();
    REFLUX_TRY(const auto exit, wait_for(child, deadline));
    if (!exit) {
        REFLUX_CHECK(send_signal(child, SIGKILL));
        return fail(ErrorKind::timed_out, fmt::format("{} did not end within {}", what, to_string(deadline)));
    }
    if (!exit->ok()) {
        REFLUX_TRY(const auto message, read_all(pipe.read_end.get(), "pipe from child"));
        return fail(
            Error{.message = message.empty() ? fmt::format("{}: {}", what, to_string(*exit)) : message,
                  .errnum = exit->code < exec_failed_status ? exit->code : 0});
    }
    return {};
}

Result<CommandResult> run_command(const std::vector<std::string>& argv, Seconds deadline,
                                  SpawnOptions options) {
    return run_command_unless(argv, deadline, nullptr, std::move(options));
}

namespace {

// With what it has started, as far as that stayed in its group and keeps its output open; bounded.
Status kill_command(Child& child, int output) {
    constexpr Seconds longest{1};
    // Not reaped yet, so the number is its own. Without a group of its own there is none of that number.
    if (::kill(-child.pid, SIGKILL) != 0) {
        REFLUX_CHECK(send_signal(child, SIGKILL));
    }
    const auto end = std::chrono::steady_clock::now() + longest;
    std::array<char, 4096> rest{};
    for (bool open = true; open;) {
        REFLUX_TRY(const bool readable, wait_readable(output, end - std::chrono::steady_clock::now()));
        open = readable && ::read(output, rest.data(), rest.size()) > 0;
    }
    REFLUX_TRY(const auto killed, wait_for(child, longest));
    static_cast<void>(killed);
    return {};
}

}  // namespace

Result<CommandResult> run_command_unless(const std::vector<std::string>& argv, Seconds deadline,
                                         const std::function<bool()>& given_up, SpawnOptions options) {
    constexpr std::size_t output_limit = 65536;
    constexpr Seconds look_time{0.1};
    REFLUX_TRY(auto pipe, make_pipe());
    options.stdout_fd = options.stderr_fd = pipe.write_end.get();
    REFLUX_TRY(auto child, spawn(argv, options));
    pipe.write_end.reset();
    CommandResult result;
    const auto end = std::chrono::steady_clock::now() + deadline;
    std::array<char, 4096> chunk{};
    for (;;) {
        if (given_up && given_up()) {
            REFLUX_CHECK(kill_command(child, pipe.read_end.get()));
            return fail({.message = argv.front() + " was interrupted", .errnum = EINTR});
        }
        const Seconds left = end - std::chrono::steady_clock::now();
        REFLUX_TRY(const bool readable,
                   wait_readable(pipe.read_end.get(), given_up ? std::min(left, look_time) : left));
        if (!readable && given_up && left > look_time) {
            continue;
        }
        const ssize_t n = readable ? ::read(pipe.read_end.get(), chunk.data(), chunk.size()) : 0;
        if (n <= 0) {
            break;
        }
        if (result.output.size() < output_limit) {
            result.output.append(chunk.data(), static_cast<std::size_t>(n));
        }
    }
    REFLUX_TRY(result.exit, wait_for(child, end - std::chrono::steady_clock::now()));
    if (!result.exit) {
        REFLUX_CHECK(send_signal(child, SIGKILL));
        REFLUX_TRY(const auto killed, wait_for(child, Seconds(1)));
        static_cast<void>(killed);
    }
    return result;
}

std::optional<std::string> find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) {
        return name;
    }
    const char* path = std::getenv("PATH");
    // sbin is often missing from the PATH of a sudo session, and mkfs lives there.
    const std::string folders =
        std::string(path != nullptr ? path : "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin";
    for (const auto& folder : split(folders, ':')) {
        if (auto candidate = folder + "/" + name; ::access(candidate.c_str(), X_OK) == 0) {
            return candidate;
        }
    }
    return std::nullopt;
}

}  // namespace reflux
