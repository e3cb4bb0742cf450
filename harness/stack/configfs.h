// Kernel objects that are made as folders of configfs: journalled first, removed as folders.
#pragma once

#include "backend/base/result.h"
#include "harness/journal/journal.h"

#include <string>

namespace reflux::stack {

// Where programs look for it.
inline constexpr const char* configfs_root = "/sys/kernel/config";

// Mounts it for the time of the run where it is not mounted.
Status mount_configfs(journal::Journal& journal);
// mkdir, in a child with a deadline: the kernel may load modules for it, or wait for a daemon.
Status make_configfs_folder(const std::string& path, journal::Journal& journal);
// A symbolic link, by which configfs connects objects. Likewise.
Status make_configfs_link(const std::string& target, const std::string& path, journal::Journal& journal);
// write_file() in a child with a deadline.
Status write_configfs(const std::string& path, const std::string& text);

}  // namespace reflux::stack
