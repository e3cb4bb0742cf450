#include "harness/stack/daemon_process.h"

#include "backend/base/kernel_file.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

namespace reflux::stack {
namespace {

constexpr Seconds format_time{60};
constexpr Seconds ready_time{20};

// The last words of a daemon that ended: its log's tail, on one line.
std::string last_words(const std::string& log) {
    constexpr std::size_t most = 400;
    auto text = read_file(log);
    const auto lines = lines_of(text ? *text : std::string{});
    std::string words = fmt::format("{}", fmt::join(lines, "; "));
    return words.size() > most ? words.substr(words.size() - most) : words;
}

// The daemon's exit status tells what kind of trouble it had; see `refluxd serve --help`.
Error daemon_error(const ExitStatus& exit, const std::string& log) {
    constexpr int unsupported_exit = 3;
    return {.kind = exit.code == unsupported_exit ? ErrorKind::unsupported : ErrorKind::system,
            .message =
                fmt::format("refluxd ended before it was ready ({}): {}", to_string(exit), last_words(log))};
}

Status await_ready_line(Child& daemon, int fd, const std::string& log) {
    std::string line;
    const auto end = std::chrono::steady_clock::now() + ready_time;
    while (line.find('\n') == std::string::npos) {
        REFLUX_TRY(const bool readable, wait_readable(fd, end - std::chrono::steady_clock::now()));
        if (!readable) {
            return fail(ErrorKind::timed_out,
                        fmt::format("refluxd was not ready within {}", to_string(ready_time)));
        }
        std::array<char, 4096> chunk{};
        const ssize_t n = ::read(fd, chunk.data(), chunk.size());
        if (n <= 0) {
            REFLUX_TRY(const auto exit, wait_for(daemon, Seconds(5)));
            return fail(exit ? daemon_error(*exit, log)
                             : Error{.message = "refluxd closed its output before it was ready"});
        }
        line.append(chunk.data(), static_cast<std::size_t>(n));
    }
    const auto ready = nlohmann::json::parse(line, nullptr, false);
    if (!ready.is_object() || ready.value("event", "") != "ready") {
        return fail(ErrorKind::system,
                    fmt::format("refluxd's first line is not its ready line: {}", trimmed(line)));
    }
    return {};
}

}  // namespace

Status format_image(const Plan& plan, const std::string& image) {
    SpawnOptions options;
    options.cgroup_procs = {plan.helper_cgroup_procs};
    REFLUX_TRY(
        const auto result,
        run_command({plan.refluxd, "format", image, "--size", to_string(plan.upper_size), "--zone-size",
                     to_string(plan.zone_size), "--conventional", std::to_string(plan.conventional_zones)},
                    format_time, options));
    if (!result.exit || !result.exit->ok()) {
        return fail(ErrorKind::system, fmt::format("refluxd format: {}", trimmed(result.output)));
    }
    return {};
}

Result<Child> start_daemon(const Plan& plan, const std::string& image, const std::string& mount_point,
                           const std::string& control_socket, journal::Journal& journal) {
    REFLUX_CHECK(journal.intend(journal::Kind::file, control_socket));
    REFLUX_CHECK(journal.intend(journal::Kind::mount, mount_point));
    REFLUX_TRY(const auto id, journal.intend(journal::Kind::process, "refluxd"));

    REFLUX_TRY(auto ready, make_pipe());
    REFLUX_TRY(const auto log, open_file(plan.daemon_log, O_WRONLY | O_CREAT | O_APPEND, 0644));
    SpawnOptions options;
    options.cgroup_procs = {plan.daemon_cgroup_procs};
    options.stdout_fd = ready.write_end.get();
    options.stderr_fd = log.get();
    options.die_with_parent = !plan.outlive_harness;
    std::vector<std::string> command{plan.refluxd, "serve", image, mount_point, "--control", control_socket};
    command.insert(command.end(), plan.serve_arguments.begin(), plan.serve_arguments.end());
    REFLUX_TRY(auto daemon, spawn(command, options));
    ready.write_end.reset();
    REFLUX_TRY(const auto start, journal::process_start_time(daemon.pid));
    REFLUX_CHECK(journal.note(id, fmt::format("{} {}", daemon.pid, start)));
    REFLUX_CHECK(await_ready_line(daemon, ready.read_end.get(), plan.daemon_log));
    return daemon;
}

}  // namespace reflux::stack
