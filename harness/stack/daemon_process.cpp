#include "harness/stack/daemon_process.h"

#include "backend/base/kernel_file.h"
#include "harness/journal/undo.h"

#include <algorithm>
#include <array>

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace reflux::stack {
namespace {

constexpr Seconds format_time{60};
constexpr Seconds ready_time{20};
constexpr Seconds foreign_ready_time{60};  // nothing is known of how long it takes to start

// The last words of a daemon that ended: its log's tail, on one line.
std::string last_words(const std::string& log) {
    constexpr std::size_t most = 400;
    auto text = read_file(log);
    const auto lines = lines_of(text ? *text : std::string{});
    std::string words = fmt::format("{}", fmt::join(lines, "; "));
    return words.size() > most ? words.substr(words.size() - most) : words;
}

// The daemon's exit status tells what kind of trouble it had; see `refluxd serve --help`.
Error refluxd_error(const ExitStatus& exit, const std::string& log) {
    constexpr int unsupported_exit = 3;
    return {.kind = exit.code == unsupported_exit ? ErrorKind::unsupported : ErrorKind::system,
            .message =
                fmt::format("refluxd ended before it was ready ({}): {}", to_string(exit), last_words(log))};
}

// Of a daemon that is seen to end.
Result<std::optional<ExitStatus>> take_end(Building& building) {
    REFLUX_TRY(const auto exit, wait_for(building.stack.daemon, Seconds(5)));
    if (exit) {
        building.trouble.ended = to_string(*exit);
    }
    return exit;
}

Result<nlohmann::json> await_ready_line(Building& building, int fd) {
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
            REFLUX_TRY(const auto exit, take_end(building));
            return fail(exit ? refluxd_error(*exit, building.plan.daemon_log)
                             : Error{.message = "refluxd closed its output before it was ready"});
        }
        line.append(chunk.data(), static_cast<std::size_t>(n));
    }
    auto ready = nlohmann::json::parse(line, nullptr, false);
    if (!ready.is_object() || ready.value("event", "") != "ready") {
        return fail(ErrorKind::system,
                    fmt::format("refluxd's first line is not its ready line: {}", trimmed(line)));
    }
    return ready;
}

// Starts it in its memory cgroup, journalled.
Result<Child> start(Building& building, const std::string& name, const std::vector<std::string>& command,
                    int stdout_fd) {
    const Plan& plan = building.plan;
    REFLUX_TRY(const auto id, building.journal.intend(journal::Kind::process, name));
    REFLUX_TRY(const auto log, open_file(plan.daemon_log, O_WRONLY | O_CREAT | O_APPEND, 0644));
    SpawnOptions options;
    options.cgroup_procs = {plan.daemon_cgroup_procs};
    options.stdout_fd = stdout_fd >= 0 ? stdout_fd : log.get();
    options.stderr_fd = log.get();
    options.die_with_parent = !plan.outlive_harness;
    building.trouble = {.command = name, .waited_for = "its exec"};
    building.daemon_start = std::chrono::steady_clock::now();
    REFLUX_TRY(auto daemon, spawn(command, options));
    REFLUX_TRY(const auto start_time, journal::process_start_time(daemon.pid));
    REFLUX_CHECK(building.journal.note(id, fmt::format("{} {}", daemon.pid, start_time)));
    return daemon;
}

Result<Started> refluxd_up(Building& building, const std::vector<std::string>& arguments) {
    const Plan& plan = building.plan;
    Stack& stack = building.stack;
    building.say(fmt::format("refluxd serves {}", building.image()));
    REFLUX_CHECK(building.journal.intend(journal::Kind::file, stack.control_socket));
    std::vector<std::string> command{plan.refluxd, "serve", building.image()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    command.insert(command.end(), {"--control", stack.control_socket});
    command.insert(command.end(), plan.serve_arguments.begin(), plan.serve_arguments.end());
    REFLUX_TRY(auto ready, make_pipe());
    REFLUX_TRY(stack.daemon, start(building, "refluxd", command, ready.write_end.get()));
    ready.write_end.reset();
    building.trouble.waited_for = "its ready line";
    REFLUX_TRY(const auto line, await_ready_line(building, ready.read_end.get()));
    return Started{.serves = {}, .device = line.value("device", "")};
}

// A regular file may have been made first, as the place of what is served. In a child: a FUSE filesystem may
// be mounted there that does not answer.
bool is_served(const std::string& path) {
    constexpr Seconds look_time{5};
    return call_bounded("look at " + path, look_time,
                        [&]() -> Status {
                            struct stat status {};
                            const bool there = ::stat(path.c_str(), &status) == 0;
                            return there && (!S_ISREG(status.st_mode) || status.st_size > 0)
                                       ? Status{}
                                       : Status(fail_errno(path));
                        })
        .has_value();
}

// What is there before the daemon is not its own: it would be formatted, and taken away at the end.
Status check_absent(const std::string& serves) {
    struct stat status {};
    return serves.empty() || ::lstat(serves.c_str(), &status) != 0
               ? Status{}
               : fail(ErrorKind::invalid_input,
                      fmt::format("daemon.serves: {} is there before the daemon is started", serves));
}

Result<Started> foreign_up(Building& building) {
    const Plan& plan = building.plan;
    const auto command = filled(plan.foreign->command, building);
    const auto serves = filled(plan.foreign->serves, building);
    REFLUX_CHECK(check_absent(serves));
    building.say("daemon: " + command);
    std::vector<std::string> words = plan.exec_prefix;
    // "exec": the shell becomes the daemon, whose pid is then ours.
    words.insert(words.end(), {"/bin/sh", "-c", "exec " + command});
    REFLUX_TRY(building.stack.daemon, start(building, command, words, -1));
    Child& daemon = building.stack.daemon;
    building.trouble.waited_for = serves.empty() ? "nothing" : serves + " to appear";
    constexpr Seconds between_looks{0.1};
    bool ended = false;
    bool there = serves.empty();
    while (!ended && !there && building.daemon_time() < foreign_ready_time) {
        REFLUX_TRY(ended, wait_readable(daemon.pidfd.get(), between_looks));
        there = !ended && is_served(serves);
    }
    if (ended) {
        REFLUX_CHECK(take_end(building));
        return fail(ErrorKind::system, "the daemon must stay in the foreground, and it ended");
    }
    if (!there) {
        return fail(ErrorKind::timed_out, fmt::format("{} did not appear", serves));
    }
    building.trouble.waited_for = "its block device";
    return Started{.serves = serves, .device = {}};
}

void replace_all(std::string& text, std::string_view word, std::string_view by) {
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + by.size())) {
        text.replace(at, word.size(), by);
    }
}

}  // namespace

std::vector<std::string> last_lines(const std::string& log) {
    constexpr std::size_t most = 10;
    constexpr std::size_t longest = 300;
    auto lines = lines_of(read_file(log).value_or(""));
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(std::min(lines.size(), most)));
    for (std::string& line : lines) {
        line.resize(std::min(line.size(), longest));
    }
    return lines;
}

Status format_image(const Plan& plan, const std::string& image) {
    SpawnOptions options;
    options.cgroup_procs = {plan.helper_cgroup_procs};
    std::vector<std::string> command{plan.refluxd,
                                     "format",
                                     image,
                                     "--size",
                                     to_string(plan.upper_size),
                                     "--zone-size",
                                     to_string(plan.zone_size),
                                     "--conventional",
                                     std::to_string(plan.conventional_zones),
                                     "--model",
                                     plan.zone_model == "host-aware" ? "host-aware" : "host-managed"};
    if (plan.zone_model == "translated") {
        command.emplace_back("--translate");
    }
    REFLUX_TRY(const auto result, run_command(command, format_time, options));
    if (!result.exit || !result.exit->ok()) {
        return fail(ErrorKind::system, fmt::format("refluxd format: {}", trimmed(result.output)));
    }
    return {};
}

Status make_plain_file(const std::string& path, Bytes size) {
    return call_bounded("make " + path, Seconds(20), [&]() -> Status {
        REFLUX_TRY(const auto fd, open_file(path, O_RDWR | O_CREAT | O_EXCL));
        return ::ftruncate(fd.get(), static_cast<off_t>(size.value)) == 0
                   ? Status{}
                   : Status(fail_errno("ftruncate " + path));
    });
}

Status make_daemon_image(Building& building) {
    const Plan& plan = building.plan;
    if (!plan.foreign) {
        return format_image(plan, building.image());
    }
    // A TCMU handler makes the file itself, in its own format.
    return plan.foreign->config.empty() ? make_plain_file(building.image(), plan.upper_size) : Status{};
}

Result<std::vector<std::string>> zone_memory_arguments(Building& building) {
    struct statfs status {};
    const std::string& folder = building.journal.folder();
    if (::statfs(folder.c_str(), &status) != 0 || status.f_type != TMPFS_MAGIC) {
        return std::vector<std::string>{};
    }
    const std::string file = folder + "/zones";
    REFLUX_CHECK(building.journal.intend(journal::Kind::file, file));
    return std::vector<std::string>{"--zone-memory", file};
}

std::string device_name(const journal::Journal& journal) {
    return "reflux-" + journal.folder().substr(journal.folder().rfind('/') + 1);
}

std::string filled(std::string text, const Building& building) {
    replace_all(text, "{image}", building.image());
    replace_all(text, "{size}", std::to_string(building.plan.upper_size.value));
    replace_all(text, "{folder}", building.journal.folder());
    replace_all(text, "{mount}", building.stack.fuse_mount);
    replace_all(text, "{name}", device_name(building.journal));
    return text;
}

Result<Started> daemon_up(Building& building, const std::vector<std::string>& refluxd_arguments) {
    return building.plan.foreign ? foreign_up(building) : refluxd_up(building, refluxd_arguments);
}

void blame_daemon(Building& building, const Error& error) {
    DaemonTrouble& trouble = building.trouble;
    if (!building.plan.on_trouble || building.stack.daemon.pid <= 0 || error.kind == ErrorKind::unsupported) {
        return;
    }
    trouble.waited = building.daemon_time();
    if (trouble.ended.empty()) {
        // What failed for the lack of its server may be seen before its end is.
        constexpr Seconds moment{0.5};
        if (const auto exit = wait_for(building.stack.daemon, moment); exit && *exit) {
            trouble.ended = to_string(**exit);
        }
    }
    // It runs, and its device is there: what failed is what the error says.
    if (trouble.ended.empty() && (!building.plan.foreign || !building.stack.served_device.number.empty())) {
        return;
    }
    trouble.trouble = error.message;
    trouble.last_lines = last_lines(building.plan.daemon_log);
    building.plan.on_trouble(trouble);
}

}  // namespace reflux::stack
