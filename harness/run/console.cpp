#include "harness/run/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace reflux::run {
namespace {

constexpr std::chrono::seconds plain_interval{5};

std::size_t terminal_columns() {
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

Console::Console() : terminal_(::isatty(STDERR_FILENO) != 0), start_(Clock::now()), last_state_(start_) {}

double Console::elapsed_s() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
}

void Console::begin(const std::string& scenario) {
    start_ = last_state_ = Clock::now();
    step(scenario);
}

void Console::step(const std::string& text) {
    print(text, true);
}

void Console::state(const std::string& text) {
    if (terminal_ || Clock::now() - last_state_ >= plain_interval) {
        last_state_ = Clock::now();
        print(text, !terminal_);
    }
}

void Console::print(const std::string& text, bool stays) {
    std::string line = fmt::format("[{:6.1f} s] {}", elapsed_s(), text);
    if (!stays) {
        line.resize(std::min(line.size(), terminal_columns() - 1));
    }
    // "\r" and "erase to end of line" take a state line away.
    fmt::print(stderr, "{}{}{}", drawn_ ? "\r\x1b[K" : "", line, stays ? "\n" : "");
    drawn_ = !stays;
}

}  // namespace reflux::run
