// What the filesystem answers to each FUSE request.
#pragma once

#include "daemon/fuse/request_pool.h"
#include "daemon/fuse/tree.h"

#include <fuse_lowlevel.h>

namespace reflux::fuse {

inline constexpr std::size_t largest_transfer = std::size_t{1} << 20U;

// The user data of the session; used by the thread that reads the FUSE device alone.
struct Server {
    Disk& disk;
    RequestPool& requests;
    Tree tree;
    fuse_buf received{};       // the message that is being handled
    bool initialised = false;  // the kernel's INIT was answered
};

// Table of handlers; each one finds its Server by fuse_req_userdata.
const fuse_lowlevel_ops& operations();

}  // namespace reflux::fuse
