// Mount points, by /proc/self/mountinfo: no question here touches the filesystem that is mounted there.
#pragma once

#include "backend/base/result.h"

#include <optional>
#include <string>
#include <string_view>

namespace reflux::fuse {

struct MountEntry {
    std::string id;      // mount id, unique while it is mounted
    std::string device;  // "major:minor"
    std::string type;    // "fuse.reflux"

    bool operator==(const MountEntry&) const = default;
};

// The mount on top at `path` (absolute, no symbolic links) in the text of a mountinfo file.
std::optional<MountEntry> find_mount(std::string_view mountinfo, const std::string& path);
// The same, of this process.
Result<std::optional<MountEntry>> find_mount(const std::string& path);

// Absolute path of a directory on which the disk can be mounted. invalid_input: it does not exist, is no
// directory, or something is mounted there.
Result<std::string> check_mount_point(const std::string& path);

}  // namespace reflux::fuse
