#include "harness/vm/tool.h"

#include "backend/base/kernel_file.h"

#include <algorithm>
#include <filesystem>

namespace reflux::vm {
namespace {

// What a program says last is why it failed.
std::string end_of(const std::string& output) {
    constexpr std::size_t most_lines = 3;
    auto lines = lines_of(output);
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(std::min(lines.size(), most_lines)));
    return lines.empty() ? "" : fmt::format(": {}", fmt::join(lines, "; "));
}

std::function<bool()>& asker() {
    static std::function<bool()> asked;
    return asked;
}

}  // namespace

Interruptible::Interruptible(std::function<bool()> asked) {
    asker() = std::move(asked);
}

Interruptible::~Interruptible() {
    asker() = nullptr;
}

bool Interruptible::is_asked() {
    return asker() && asker()();
}

bool is_interruption(const Error& error) {
    return error.errnum == EINTR;
}

Status need_tool(const std::string& program, const std::string& package) {
    if (!find_program(program)) {
        return fail(ErrorKind::unsupported, fmt::format("no {}; install the package {}", program, package));
    }
    return {};
}

Result<ToolResult> try_tool(const std::string& package, const std::vector<std::string>& argv,
                            Seconds deadline) {
    REFLUX_CHECK(need_tool(argv.front(), package));
    REFLUX_TRY(auto result, run_command_unless(argv, deadline, Interruptible::is_asked));
    if (!result.exit) {
        return fail(ErrorKind::timed_out,
                    fmt::format("{} did not end within {}", argv.front(), to_string(deadline)));
    }
    return ToolResult{.exit = *result.exit, .output = std::move(result.output)};
}

Result<std::string> run_tool(const std::string& package, const std::vector<std::string>& argv,
                             Seconds deadline) {
    REFLUX_TRY(auto result, try_tool(package, argv, deadline));
    if (!result.exit.ok()) {
        return fail(ErrorKind::system, fmt::format("{}: {}{}", fmt::join(argv, " "), to_string(result.exit),
                                                   end_of(result.output)));
    }
    return std::move(result.output);
}

Status need_space(const std::string& folder, Bytes needed, const std::string& what) {
    std::error_code error;
    const auto space = std::filesystem::space(folder, error);
    if (error) {
        return fail_errno("statvfs " + folder, error.value());
    }
    if (space.available < needed.value) {
        return fail(ErrorKind::unsupported,
                    fmt::format("{} needs {} in {}, and {} are free; make room, or name another folder in "
                                "REFLUX_CACHE",
                                what, human(needed), folder, human({space.available})));
    }
    return {};
}

Result<std::string> sha256_of(const std::string& path) {
    constexpr std::size_t digits = 64;
    constexpr Seconds deadline{120};
    // --zero: no escaping of odd file names, which would put a '\' before the digits.
    REFLUX_TRY(const auto output, run_tool("coreutils", {"sha256sum", "--zero", "--", path}, deadline));
    const auto sum = output.substr(0, digits);
    if (sum.size() != digits || sum.find_first_not_of("0123456789abcdef") != std::string::npos) {
        return fail(ErrorKind::system, fmt::format("sha256sum {} printed no checksum: {}", path, output));
    }
    return sum;
}

}  // namespace reflux::vm
