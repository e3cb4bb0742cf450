// /proc/PID/mountinfo, as proc(5) describes it. Reading it touches no mount.
#pragma once

#include "backend/base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace reflux {

struct Mount {
    std::string device;  // "major:minor" of the superblock
    std::string mount_point;
    std::string filesystem;     // "ext4", "fuse.reflux", "cgroup2"
    std::string super_options;  // of a v1 cgroup: its controllers, comma separated
    std::string id;             // of the mount; not used again while it stands
};

std::vector<Mount> parse_mountinfo(std::string_view text);
// The mounts that this process sees, oldest first.
Result<std::vector<Mount>> mounts();

}  // namespace reflux
