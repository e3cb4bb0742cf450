// The I/O path: from a message to the device and back to the kernel, without libfuse.
#pragma once

#include "daemon/fuse/request_pool.h"
#include "daemon/fuse/view.h"

namespace reflux::fuse {

// Whether serve_message() is for it.
bool is_served(const View& view, const Message& message);

// Takes over the request whose message was parsed: does it on the disk, answers the kernel on `fuse_fd`, in
// whatever thread the device is done in, and gives the request back to its pool. `view` outlives the request.
void serve_message(const View& view, int fuse_fd, FuseRequest& request, const Message& message);

}  // namespace reflux::fuse
