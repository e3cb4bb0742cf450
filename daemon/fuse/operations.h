// What the filesystem answers to each FUSE request but those that ask something of the disk (data_path.h).
#pragma once

#include "daemon/fuse/report_file.h"
#include "daemon/fuse/view.h"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include <fuse_lowlevel.h>

namespace reflux::fuse {

// The user data of the session. INIT is handled before a second thread reads the FUSE device.
struct Server {
    View view;
    bool initialised = false;  // the kernel's INIT was answered
    // Reports that are open; what is at the end was not released, for the connection ended first.
    std::mutex reports_mutex = {};
    std::map<std::uint64_t, std::unique_ptr<ReportFile>> reports = {};  // by fi->fh
};

// Table of handlers; each one finds its Server by fuse_req_userdata.
const fuse_lowlevel_ops& operations();

}  // namespace reflux::fuse
