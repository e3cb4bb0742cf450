#include "harness/probe/machine.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include <unistd.h>

namespace reflux::probe {

Status root() {
    if (::geteuid() != 0) {
        return fail(ErrorKind::unsupported, "not root: mounts and cgroups need it; run with sudo");
    }
    return {};
}

Status capability(unsigned number, const std::string& name) {
    REFLUX_TRY(const auto text, read_file("/proc/self/status"));
    for (const auto& line : lines_of(text)) {
        constexpr std::string_view key = "CapEff:\t";
        if (line.starts_with(key)) {
            std::uint64_t mask = 0;
            std::from_chars(line.data() + key.size(), line.data() + line.size(), mask, 16);
            if ((mask >> number & 1U) != 0) {
                return {};
            }
        }
    }
    return fail(
        ErrorKind::unsupported,
        fmt::format("no {} (not in CapEff of this process); run as full root, outside of a container that "
                    "drops it, or in a VM",
                    name));
}

Status device(const std::string& path, const std::string& hint) {
    if (const auto fd = open_file(path, O_RDWR); !fd) {
        return fail(ErrorKind::unsupported, fmt::format("{}; {}", fd.error().message, hint));
    }
    return {};
}

Status filesystem(const std::string& type) {
    REFLUX_TRY(const auto text, read_file("/proc/filesystems"));
    const auto lines = lines_of(text);
    const bool built_in = std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
        return line.substr(line.rfind('\t') + 1) == type;
    });
    if (built_in) {
        return {};
    }
    const auto dry_run = run_command({"modprobe", "-n", "-q", "fs-" + type}, Seconds(10));
    if (dry_run && dry_run->exit && dry_run->exit->ok()) {
        return {};
    }
    return fail(ErrorKind::unsupported, fmt::format("this kernel has no {}, built in or as a module", type));
}

Status program(const std::string& name, const std::string& package) {
    if (!find_program(name)) {
        return fail(ErrorKind::unsupported, fmt::format("no {}; install the package {}", name, package));
    }
    return {};
}

Status mkfs(const std::string& type) {
    const std::string package = type == "ext4" ? "e2fsprogs" : type == "xfs" ? "xfsprogs" : type + "-progs";
    return program("mkfs." + type, package);
}

}  // namespace reflux::probe
