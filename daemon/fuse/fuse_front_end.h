// The FUSE front end: the disk as the file MOUNTPOINT/disk, and its zones beside it (tree.h).
#pragma once

#include "backend/zoned_device.h"
#include "daemon/base/front_end.h"

#include <memory>
#include <string>

namespace reflux::fuse {

// Mounts on `mountpoint`, which check_mount_point has given. `disk` is `zones` or its translation; both
// outlive the front end. unsupported: /dev/fuse cannot be opened (the reason is named).
Result<std::unique_ptr<FrontEnd>> make_fuse_front_end(Disk& disk, const ZonedDevice& zones,
                                                      const std::string& mountpoint);

}  // namespace reflux::fuse
