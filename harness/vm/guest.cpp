#include "harness/vm/guest.h"

#include "backend/base/kernel_file.h"
#include "harness/vm/initramfs.h"
#include "harness/vm/qemu.h"

#include <array>
#include <charconv>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

namespace reflux::vm {
namespace {

constexpr Bytes scratch_size = gibibytes(8);  // sparse
constexpr Seconds answer_time{2};             // of QEMU's control socket
constexpr Seconds key_time{2};                // from a key of sysrq to its answer
constexpr Seconds dump_time{12};
constexpr Seconds kill_time{30};  // a busy host takes a guest's memory back (seen: over 5 s for 1 GiB)
constexpr std::size_t last_lines = 3;

// A file without a name: it is gone when QEMU is, however that comes about.
Result<UniqueFd> make_scratch(const std::string& folder) {
    auto file = open_file(folder, O_TMPFILE | O_RDWR);
    if (!file && file.error().errnum == EOPNOTSUPP) {  // overlayfs before 6.3
        std::string path = folder + "/reflux-scratch-XXXXXX";
        file = UniqueFd(::mkostemp(path.data(), O_CLOEXEC));
        if (!*file) {
            return fail_errno("mkostemp " + path);
        }
        ::unlink(path.c_str());
    }
    if (file && ::ftruncate(file->get(), static_cast<off_t>(scratch_size.value)) != 0) {
        return fail_errno("ftruncate a file in " + folder);
    }
    return file;
}

std::string comma_separated(const std::vector<std::string>& words) {
    return fmt::format("{}", fmt::join(words, ","));
}

std::vector<std::string> kernel_parameters(const GuestPlan& plan) {
    std::vector<std::string> parameters{"REFLUX_CGROUP=" + plan.cgroup,
                                        fmt::format("REFLUX_MODE={}", plan.shell ? "shell" : "command"),
                                        "REFLUX_LOAD=" + comma_separated(plan.modules)};
    if (!plan.kernel.root.empty() && plan.kernel.root != "/") {
        parameters.push_back(
            fmt::format("REFLUX_MODULES={}/lib/modules/{}", plan.kernel.root, plan.kernel.release));
    }
    return parameters;
}

// The last lines of a text that say something, on one line.
std::string tail_of(const std::string& path) {
    const auto text = read_file(path);
    const auto lines = text ? lines_of(*text) : std::vector<std::string>{};
    std::string tail;
    for (std::size_t i = lines.size() - std::min(last_lines, lines.size()); i < lines.size(); ++i) {
        tail += (tail.empty() ? "" : " | ") + trimmed(lines[i]);
    }
    return tail.empty() ? "nothing" : tail;
}

}  // namespace

std::string to_string(GuestEnd::Kind kind) {
    switch (kind) {
        case GuestEnd::Kind::ended:
            return "ended";
        case GuestEnd::Kind::no_boot:
            return "no_boot";
        case GuestEnd::Kind::panicked:
            return "panicked";
        case GuestEnd::Kind::reset:
            return "reset";
        case GuestEnd::Kind::silent:
            return "silent";
        case GuestEnd::Kind::overdue:
            return "overdue";
        case GuestEnd::Kind::qemu_died:
            return "qemu_died";
        case GuestEnd::Kind::stopped:
            return "stopped";
    }
    return "stopped";
}

Result<Guest> Guest::start(const GuestPlan& plan, Limits limits) {
    Guest guest(plan, limits);
    REFLUX_TRY(const auto program, find_qemu());
    REFLUX_TRY(const auto initramfs, make_initramfs(plan.kernel));
    REFLUX_TRY(const auto scratch, make_scratch(plan.scratch_folder));
    REFLUX_TRY(auto console, make_socket_pair());
    REFLUX_TRY(auto events, make_socket_pair());
    REFLUX_TRY(auto control, make_socket_pair());
    const auto make_file = [&](const char* name) {
        return open_file(plan.folder + "/" + name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    };
    REFLUX_TRY(guest.console_.file, make_file("console.txt"));
    REFLUX_TRY(guest.events_.file, make_file("events.txt"));
    REFLUX_TRY(const auto log, make_file("qemu.log"));
    Machine machine{.program = program,
                    .accelerator = plan.accelerator.name,
                    .cpus = plan.cpus,
                    .memory = plan.memory,
                    .image = plan.kernel.image,
                    .initramfs_fd = initramfs.get(),
                    .parameters = kernel_parameters(plan),
                    .shared_folder = plan.folder,
                    .scratch_fd = scratch.get(),
                    .events_fd = events.theirs.get(),
                    .control_fd = control.theirs.get()};
    SpawnOptions options;
    options.inherit = {initramfs.get(), scratch.get(), events.theirs.get(), control.theirs.get()};
    options.stderr_fd = log.get();
    if (!plan.shell) {
        machine.console_fd = console.theirs.get();
        options.inherit.push_back(console.theirs.get());
        options.stdout_fd = log.get();
    }
    options.own_group = !plan.shell;  // a shell's QEMU reads the terminal
    REFLUX_TRY(guest.qemu_, spawn(qemu_arguments(machine), options));
    guest.console_.socket = std::move(console.ours);
    guest.events_.socket = std::move(events.ours);
    guest.control_ = std::move(control.ours);
    return guest;
}

Guest::~Guest() {
    static_cast<void>(stop());
}

double Guest::since(Clock::time_point moment) {
    return std::chrono::duration<double>(Clock::now() - moment).count();
}

void Guest::take_line(const std::string& line, std::vector<std::string>& said) {
    // What the command prints stands after "@out ", so that none of it can be taken for the rest.
    const auto rest_of = [&](std::string_view word) -> std::optional<std::string> {
        return line.starts_with(word) ? std::optional(line.substr(word.size())) : std::nullopt;
    };
    last_beat_ = Clock::now();
    if (rest_of("@beat ")) {
        return;
    }
    last_line_ = Clock::now();
    if (const auto where = rest_of("@boot ")) {
        if (*where == "ready") {
            boot_s_ = since(start_);
        }
    } else if (const auto number = rest_of("@end ")) {
        int status = 0;
        std::from_chars(number->data(), number->data() + number->size(), status);
        status_ = status;
    } else if (const auto text = rest_of("@say ")) {
        said.push_back(*text);
    } else if (const auto out = rest_of("@out ")) {
        said.push_back(*out);
    }
}

void Guest::read_lines(std::vector<std::string>& said) {
    drain(console_);
    partial_ += drain(events_);
    for (std::size_t end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n')) {
        if (const std::string line = trimmed(partial_.substr(0, end)); !line.empty()) {
            take_line(line, said);
        }
        partial_.erase(0, end + 1);
    }
}

std::string Guest::drain(const Line& line) {
    std::array<char, 4096> chunk{};
    std::string text;
    for (;;) {
        const auto n = ::recv(line.socket.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
        if (n <= 0) {
            break;
        }
        text.append(chunk.data(), static_cast<std::size_t>(n));
    }
    // A full disk must not stop the guest's lines: what is lost of the file was still heard.
    static_cast<void>(write_all(line.file.get(), text, "line"));
    return text;
}

bool Guest::hears(std::string_view words, Seconds patience) {
    const auto begin = Clock::now();
    std::string heard;
    while (heard.find(words) == std::string::npos) {
        const auto left = Seconds(patience.count() - since(begin));
        if (left.count() <= 0 || !wait_readable(console_.socket.get(), left).value_or(false)) {
            return false;
        }
        const std::string more = drain(console_);
        if (more.empty()) {
            return false;  // QEMU closed it
        }
        heard += more;
    }
    return true;
}

GuestEnd Guest::end_of_qemu(const ExitStatus& exit) const {
    const auto console = read_file(folder_ + "/console.txt").value_or("");
    for (const auto& line : lines_of(console)) {
        if (const auto at = line.find("Kernel panic - not syncing"); at != std::string::npos) {
            return {.kind = boot_s_ ? GuestEnd::Kind::panicked : GuestEnd::Kind::no_boot,
                    .detail = "the guest's kernel panicked: " + trimmed(line.substr(at))};
        }
    }
    if (!exit.ok()) {
        return {
            .kind = GuestEnd::Kind::qemu_died,
            .detail = fmt::format("QEMU ended with {}: {}", to_string(exit), tail_of(folder_ + "/qemu.log"))};
    }
    const std::string words = "the console's last words: " + tail_of(folder_ + "/console.txt");
    if (!boot_s_) {
        return {.kind = GuestEnd::Kind::no_boot, .detail = "the guest stopped before it was ready; " + words};
    }
    return {.kind = GuestEnd::Kind::reset, .detail = "the guest restarted without a word; " + words};
}

void Guest::judge_end(std::vector<std::string>& said) {
    const auto exit = reap(qemu_);
    if (exit && *exit) {
        read_lines(said);  // what it said after the last look
        qemu_ = {};
        if (!status_) {
            end_ = end_of_qemu(**exit);
            return;
        }
    }
    if (status_) {  // nothing comes after it
        end_ = GuestEnd{.kind = GuestEnd::Kind::ended, .status = *status_, .detail = ""};
        return;
    }
    const std::string words = "; the console's last words: " + tail_of(folder_ + "/console.txt");
    if (since(start_) > limits_.whole.count()) {
        end_ = GuestEnd{
            .kind = GuestEnd::Kind::overdue,
            .detail = fmt::format("the guest did not end within {}", reflux::to_string(limits_.whole))};
    } else if (!boot_s_ && since(start_) > limits_.boot.count()) {
        end_ = GuestEnd{.kind = GuestEnd::Kind::no_boot,
                        .detail = fmt::format("the guest was not ready after {}{}",
                                              reflux::to_string(limits_.boot), words)};
    } else if (boot_s_ && since(last_beat_) > limits_.silence.count()) {
        end_ = GuestEnd{.kind = GuestEnd::Kind::silent,
                        .detail = fmt::format("the guest gave no sign of life for {}{}",
                                              reflux::to_string(limits_.silence), words)};
    } else if (boot_s_ && since(last_line_) > limits_.command_silence.count()) {
        end_ = GuestEnd{.kind = GuestEnd::Kind::overdue,
                        .detail = fmt::format("the guest lived, but its harness said nothing for {}{}",
                                              reflux::to_string(limits_.command_silence), words)};
    }
}

std::vector<std::string> Guest::poll() {
    std::vector<std::string> said;
    if (end_) {
        return said;
    }
    read_lines(said);
    judge_end(said);
    return said;
}

// False: QEMU is gone, or does not answer.
bool Guest::ask_qemu(std::string_view request) {
    // Not write(): QEMU may have ended, and a signal must not end us.
    if (::send(control_.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) {
        return false;
    }
    // The answer of each request is a line; a greeting comes first.
    std::string answer;
    std::array<char, 1024> chunk{};
    while (answer.find("\"return\"") == std::string::npos) {
        if (!wait_readable(control_.get(), answer_time).value_or(false)) {
            return false;
        }
        const auto n = ::read(control_.get(), chunk.data(), chunk.size());
        if (n <= 0) {
            return false;
        }
        answer.append(chunk.data(), static_cast<std::size_t>(n));
    }
    return true;
}

void Guest::dump_tasks() {
    struct Request {
        std::string_view key;
        std::string_view header;  // of the kernel's answer
    };
    static constexpr std::array<Request, 2> requests{
        Request{.key = "l", .header = "sysrq: Show backtrace"},       // what runs on the processors
        Request{.key = "w", .header = "sysrq: Show Blocked State"}};  // uninterruptible sleep
    const auto begin = Clock::now();
    const auto in_time = [&] { return since(begin) < dump_time.count(); };
    if (!ask_qemu("{\"execute\":\"qmp_capabilities\"}\n")) {
        return;
    }
    for (const auto& request : requests) {
        // Until it answers: a guest that is printing with interrupts off loses what comes in meanwhile.
        do {
            if (!ask_qemu(R"({"execute":"chardev-send-break","arguments":{"id":"console"}})"
                          "\n") ||
                ::send(console_.socket.get(), request.key.data(), request.key.size(), MSG_NOSIGNAL) < 0) {
                return;
            }
        } while (!hears(request.header, key_time) && in_time());
    }
    while (in_time() && hears("\n", Seconds(1))) {
    }
}

Status Guest::stop() {
    if (qemu_.pid < 0) {
        return {};
    }
    REFLUX_CHECK(send_signal(qemu_, SIGKILL));
    REFLUX_TRY(const auto exit, wait_for(qemu_, kill_time));
    if (!exit) {
        return fail(ErrorKind::timed_out, fmt::format("QEMU (pid {}) did not end after SIGKILL", qemu_.pid));
    }
    qemu_ = {};
    drain(console_);
    return {};
}

}  // namespace reflux::vm
