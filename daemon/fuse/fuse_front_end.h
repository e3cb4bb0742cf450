// The FUSE front end: the disk as the file MOUNTPOINT/disk.
#pragma once

#include "daemon/base/front_end.h"

#include <memory>
#include <string>

namespace reflux::fuse {

// Mounts on `mountpoint`, which check_mount_point has given. `disk` outlives the front end. unsupported:
// /dev/fuse cannot be opened (the reason is named).
Result<std::unique_ptr<FrontEnd>> make_fuse_front_end(Disk& disk, const std::string& mountpoint);

}  // namespace reflux::fuse
