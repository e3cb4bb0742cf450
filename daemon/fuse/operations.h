// What the filesystem answers to each FUSE request but those for the disk's data (data_path.h).
#pragma once

#include "daemon/fuse/tree.h"

#include <fuse_lowlevel.h>

namespace reflux::fuse {

inline constexpr std::size_t largest_transfer = std::size_t{1} << 20U;

// The user data of the session. INIT is handled before a second thread reads the FUSE device.
struct Server {
    Tree tree;
    bool initialised = false;  // the kernel's INIT was answered
};

// Table of handlers; each one finds its Server by fuse_req_userdata.
const fuse_lowlevel_ops& operations();

}  // namespace reflux::fuse
