// The device of the prototype module (backend/base/reflux_reclaim.h).
#pragma once

#include "backend/base/result.h"
#include "backend/base/unique_fd.h"

namespace reflux::io {

// unsupported: the module is not loaded, or CAP_SYS_RESOURCE is missing.
Result<UniqueFd> open_scope_device();
// What a call of the device failed with; EPERM is unsupported.
Error scope_device_error(const std::string& call, int errnum);

// Takes __GFP_FS out of the allocation mask of the page cache of `fd` until what it returns is closed;
// unsupported also where the mask has none, as on XFS, btrfs and f2fs, or on a file that another has masked.
Result<UniqueFd> mask_mapping(int fd);

}  // namespace reflux::io
