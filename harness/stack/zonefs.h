// zonefs on a zoned block device: Debian 12 has no mkzonefs. One superblock at the start of the first zone is
// all that a fresh one has; the files are the other zones.
//
// Source: the kernel's Documentation/filesystems/zonefs.rst and zonefs_read_super() in fs/zonefs/super.c.
#pragma once

#include "harness/stack/zones.h"

namespace reflux::stack {

// Files have the kernel's owner and mode: root, 0640. Pure.
MetadataBlock zonefs_superblock(const std::array<std::byte, 16>& uuid);

// Resets the sequential zones of `device` and writes the superblock; what it held is lost. Refused (EBUSY)
// while it is mounted. Bounded.
Status format_zonefs(const std::string& device, const std::string& helper_cgroup_procs);

}  // namespace reflux::stack
