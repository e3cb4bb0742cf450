// Which memory controller this machine offers, and where.
#pragma once

#include "backend/base/mountinfo.h"
#include "backend/base/result.h"

#include <string>
#include <vector>

namespace reflux::probe {

struct MemoryCgroup {
    std::string version;    // "v1" | "v2"
    std::string hierarchy;  // mount point of the hierarchy that has the memory controller
};

// Among these mounts: a v1 mount with the memory controller, else a cgroup2 mount that
// offers it (its cgroup.controllers is read). The error says what was looked for and how to get it.
Result<MemoryCgroup> memory_cgroup(const std::vector<Mount>& mounts);
// Of this machine.
Result<MemoryCgroup> memory_cgroup();

}  // namespace reflux::probe
