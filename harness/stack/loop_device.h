// Loop devices by ioctl, journalled first.
#pragma once

#include "backend/base/result.h"
#include "harness/journal/journal.h"
#include "harness/stack/stack.h"

#include <string>

namespace reflux::stack {

// Attaches a free loop device to `backing_file`, buffered, 512-byte blocks. Opening the file may block when
// it is served by a daemon, so it is done in a child with a deadline.
Result<BlockDevice> attach_loop(const std::string& backing_file, journal::Journal& journal);

// Makes a sparse file of `size` after checking that its filesystem has that much room.
Status make_sparse_file(const std::string& path, Bytes size, journal::Journal& journal);

}  // namespace reflux::stack
