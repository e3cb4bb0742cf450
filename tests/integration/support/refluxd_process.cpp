#include "tests/integration/support/refluxd_process.h"

#include "backend/base/kernel_file.h"

#include <algorithm>
#include <array>
#include <csignal>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <gtest/gtest.h>

namespace reflux::test {
namespace {

constexpr Seconds patience(20);

// Reads to a newline, end of file or the deadline; the line without its newline.
std::string read_line(int fd, Seconds deadline) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    std::string line;
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
        pollfd poller{.fd = fd, .events = POLLIN, .revents = 0};
        char letter = 0;
        if (left <= 0 || ::poll(&poller, 1, static_cast<int>(left)) <= 0 || ::read(fd, &letter, 1) != 1) {
            return "";
        }
        if (letter == '\n') {
            return line;
        }
        line += letter;
    }
}

}  // namespace

std::string refluxd_program() {
    return REFLUX_BUILD_DIR "/refluxd";
}

Ended run_refluxd(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), refluxd_program());
    const auto result = run_command(arguments, patience);
    EXPECT_TRUE(result) << result.error().message;
    if (!result) {
        return {};
    }
    EXPECT_TRUE(result->exit) << "refluxd still runs";
    return {.code = result->exit ? result->exit->code : -1, .output = result->output};
}

nlohmann::json ask_control(const std::string& socket, const std::string& command, Seconds deadline) {
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(socket.begin(), socket.end(), &address.sun_path[0]);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        !write_all(fd.get(), command + "\n", socket)) {
        return nullptr;
    }
    return nlohmann::json::parse(read_line(fd.get(), deadline), nullptr, false);
}

Result<RefluxdProcess> RefluxdProcess::serve(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {refluxd_program(), "serve"});
    std::array<int, 2> output{};
    std::array<int, 2> errors{};
    if (::pipe2(output.data(), O_CLOEXEC) != 0 || ::pipe2(errors.data(), O_CLOEXEC) != 0) {
        return fail_errno("pipe2");
    }
    const UniqueFd output_read(output[0]);
    UniqueFd output_write(output[1]);
    UniqueFd errors_read(errors[0]);
    UniqueFd errors_write(errors[1]);
    REFLUX_TRY(auto child, spawn(arguments, {.stdout_fd = output[1], .stderr_fd = errors[1]}));
    output_write.reset();
    errors_write.reset();
    RefluxdProcess process(std::move(child), std::move(errors_read));
    const std::string line = read_line(output_read.get(), patience);
    process.ready_ = nlohmann::json::parse(line, nullptr, false);
    if (!process.ready_.is_object()) {
        REFLUX_CHECK(process.signal(SIGKILL));
        const int code = process.wait();
        return fail(ErrorKind::system,
                    fmt::format("not ready ('{}'), exit {}: {}", line, code, process.errors()));
    }
    return process;
}

RefluxdProcess::~RefluxdProcess() {
    if (child_.pid > 0 && child_.pidfd) {
        static_cast<void>(signal(SIGKILL));
        static_cast<void>(wait());
    }
}

int RefluxdProcess::wait() {
    const auto ended = wait_for(child_, patience);
    if (!ended || !*ended) {
        return -1;
    }
    child_.pid = -1;
    return (*ended)->signal != 0 ? 128 + (*ended)->signal : (*ended)->code;
}

std::string RefluxdProcess::errors() {
    const auto text = read_all(errors_.get(), "stderr of refluxd");
    return text ? *text : "";
}

}  // namespace reflux::test
