// Filesystems: made and mounted in children with a deadline, journalled first.
#pragma once

#include "backend/base/child.h"
#include "backend/base/result.h"
#include "harness/journal/journal.h"

#include <string>

namespace reflux::stack {

struct MountPlan {
    std::string source;
    std::string target;       // directory; made (and journalled) when missing
    std::string type = {};    // filesystem type; empty: bind
    unsigned long flags = 0;  // MS_*
    std::string data = {};
    std::string helper_cgroup_procs = {};
};

Status make_directory(const std::string& path, journal::Journal& journal);
Status mount_at(const MountPlan& plan, journal::Journal& journal);
// Binds a directory onto itself and makes it a private mount.
Status make_private_root(const std::string& path, journal::Journal& journal);
// mkfs of `type` (ext4, xfs, btrfs, f2fs; zonefs on a zoned device, by our own hand), no discard, nothing
// left for the kernel to initialise later. btrfs and f2fs are made for a zoned device where `device` is one.
// `more`: options for it besides.
Status make_filesystem(const std::string& type, const std::string& device,
                       const std::string& helper_cgroup_procs, const std::vector<std::string>& more = {});
// Mount options that keep the filesystem from starting I/O of its own.
std::string mount_options(const std::string& type);

}  // namespace reflux::stack
