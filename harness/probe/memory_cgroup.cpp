#include "harness/probe/memory_cgroup.h"

#include "backend/base/kernel_file.h"

#include <algorithm>

namespace reflux::probe {
namespace {

bool has_word(std::string_view text, char separator, std::string_view word) {
    const auto words = split(text, separator);
    return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

Result<MemoryCgroup> memory_cgroup(const std::vector<Mount>& mounts) {
    // A controller is in one hierarchy only: v1 when it is mounted there, else v2.
    for (const auto& mount : mounts) {
        if (mount.filesystem == "cgroup" && has_word(mount.super_options, ',', "memory")) {
            return MemoryCgroup{.version = "v1", .hierarchy = mount.mount_point};
        }
        if (mount.filesystem == "cgroup2") {
            const auto controllers = read_file(mount.mount_point + "/cgroup.controllers");
            if (controllers && has_word(trimmed(*controllers), ' ', "memory")) {
                return MemoryCgroup{.version = "v2", .hierarchy = mount.mount_point};
            }
        }
    }
    return fail(ErrorKind::unsupported,
                "no mounted cgroup hierarchy has the memory controller; mount one (mount -t cgroup2 none "
                "/sys/fs/cgroup) or boot without cgroup_disable=memory");
}

Result<MemoryCgroup> memory_cgroup() {
    REFLUX_TRY(const auto all, mounts());
    return memory_cgroup(all);
}

}  // namespace reflux::probe
