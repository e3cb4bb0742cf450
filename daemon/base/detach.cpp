#include "daemon/base/detach.h"

#include "backend/base/kernel_file.h"

#include <array>

#include <sys/wait.h>

namespace reflux {
namespace {

// What the first process ends with when the daemon ended before it was ready. The daemon has said why on
// stderr.
Result<int> status_of(pid_t daemon) {
    int status = 0;
    while (::waitpid(daemon, &status, 0) < 0) {
        if (errno != EINTR) {
            return fail_errno("waitpid");
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        return WEXITSTATUS(status);
    }
    return fail(ErrorKind::system, fmt::format("the daemon ended before it was ready ({} {})",
                                               WIFSIGNALED(status) ? "signal" : "exit",
                                               WIFSIGNALED(status) ? WTERMSIG(status) : 0));
}

}  // namespace

Status ReadyLine::tell(std::string_view line) {
    const std::string text = fmt::format("{}\n", line);
    if (!first_process_) {
        return write_all(STDOUT_FILENO, text, "stdout");
    }
    REFLUX_TRY(auto null, open_file("/dev/null", O_RDWR));
    if (::chdir("/") != 0) {
        return fail_errno("chdir /");
    }
    REFLUX_CHECK(write_all(first_process_.get(), text, "pipe to the first process"));
    first_process_.reset();
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::dup2(null.get(), fd) < 0) {
            return fail_errno("dup2 /dev/null");
        }
    }
    return {};
}

Result<Detached> detach() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail_errno("pipe2");
    }
    UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    const pid_t pid = ::fork();
    if (pid < 0) {
        return fail_errno("fork");
    }
    if (pid == 0) {
        if (::setsid() < 0) {
            return fail_errno("setsid");
        }
        return Detached{.first_process_status = std::nullopt, .ready = ReadyLine(std::move(write_end))};
    }
    write_end.reset();
    REFLUX_TRY(const auto line, read_all(read_end.get(), "pipe from the daemon"));
    if (line.empty()) {
        REFLUX_TRY(const int status, status_of(pid));
        return Detached{.first_process_status = status, .ready = {}};
    }
    REFLUX_CHECK(write_all(STDOUT_FILENO, line, "stdout"));
    return Detached{.first_process_status = 0, .ready = {}};
}

}  // namespace reflux
