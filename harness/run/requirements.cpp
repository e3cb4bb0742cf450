#include "harness/run/requirements.h"

#include "harness/probe/machine.h"
#include "harness/probe/memory_cgroup.h"

#include <array>
#include <cstdlib>
#include <filesystem>

#include <linux/capability.h>
#include <unistd.h>

namespace reflux::run {

std::string own_path() {
    std::array<char, 4096> path{};
    const ssize_t n = ::readlink("/proc/self/exe", path.data(), path.size());
    return {path.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
}

std::string refluxd_path() {
    const std::string own = own_path();
    return own.substr(0, own.rfind('/') + 1) + "refluxd";
}

std::string image_folder() {
    const char* folder = std::getenv("TMPDIR");
    const std::string chosen = folder != nullptr && *folder != '\0' ? folder : "/var/tmp";
    // The kernel names a loop device's file by its real path. One that does not exist is told of when it is
    // used.
    std::error_code error;
    const auto real = std::filesystem::canonical(chosen, error);
    return error ? chosen : real.string();
}

namespace {

Status check_needs(const mitigation::Row& row, const probe::MemoryCgroup& memory) {
    const auto& needs = row.needs;
    const auto missing = [&](const std::string& what) {
        return fail(ErrorKind::unsupported,
                    fmt::format("mitigation {}: {}", row.name, needs.why.empty() ? what : needs.why));
    };
    if (needs.sys_resource) {
        auto held = probe::capability(CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE");
        REFLUX_CHECK(held ? held : Status(fail(held.error().within("mitigation " + row.name))));
    }
    if (!needs.cgroup_version.empty() && needs.cgroup_version != memory.version) {
        return missing("it needs cgroup " + needs.cgroup_version);
    }
    for (const auto& file : needs.files) {
        if (::access(file.c_str(), F_OK) != 0) {
            return missing("there is no " + file);
        }
    }
    return {};
}

}  // namespace

Status check_requirements(const scenario::Scenario& scenario,
                          const std::vector<mitigation::Row>& mitigations) {
    REFLUX_CHECK(probe::root());
    REFLUX_CHECK(probe::device("/dev/loop-control", "load the module: modprobe loop"));
    for (const auto& type : {scenario.stack.lower, scenario.stack.upper}) {
        REFLUX_CHECK(probe::filesystem(type));
        REFLUX_CHECK(probe::mkfs(type));
    }
    if (scenario.stack.front_end == "fuse") {
        REFLUX_CHECK(probe::device("/dev/fuse", "load the module: modprobe fuse"));
        if (::access(refluxd_path().c_str(), X_OK) != 0) {
            return fail(ErrorKind::unsupported,
                        refluxd_path() + " is missing: refluxd is built and installed beside reflux");
        }
    }
    REFLUX_TRY(const auto memory, probe::memory_cgroup());
    for (const auto& row : mitigations) {
        REFLUX_CHECK(check_needs(row, memory));
    }
    return {};
}

}  // namespace reflux::run
