// The I/O path: from a message to the device and back to the kernel, without libfuse.
#pragma once

#include "daemon/fuse/request_pool.h"

namespace reflux::fuse {

// Takes over the request whose message was parsed: does it on the disk, answers the kernel on `fuse_fd`, in
// whatever thread the device is done in, and gives the request back to its pool.
void serve_transfer(Disk& disk, int fuse_fd, FuseRequest& request, const Transfer& transfer);

}  // namespace reflux::fuse
