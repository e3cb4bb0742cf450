#include "daemon/base/log.h"

#include <algorithm>
#include <array>
#include <atomic>

#include <unistd.h>

#include <fmt/format.h>

namespace reflux {
namespace {

std::atomic<std::size_t> logged = 0;

void write_line(std::string_view line) {
    std::array<char, 1024> text{};
    const auto end = fmt::format_to_n(text.data(), text.size() - 1, "refluxd: {}", line);
    *end.out = '\n';
    const auto length = static_cast<std::size_t>(end.out - text.data()) + 1;
    // One write, so that lines of several threads do not mix. Nobody can be told when it fails.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), length);
}

}  // namespace

void log_line(std::string_view line) {
    const std::size_t cost = std::min<std::size_t>(line.size(), 1024) + 16;
    const std::size_t before = logged.fetch_add(cost);
    if (before + cost <= log_limit) {
        write_line(line);
    } else if (before <= log_limit) {
        write_line("log limit reached; what follows is not logged");
    }
}

}  // namespace reflux
