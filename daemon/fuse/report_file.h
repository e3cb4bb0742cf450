// The file report or report.json, as one opener sees it: made piece by piece while it is read.
#pragma once

#include "backend/zoned_device.h"
#include "daemon/base/disk_report.h"

#include <mutex>

namespace reflux::fuse {

// Each zone is told as it is when its place is reached; there is no one moment for all of a million. It holds
// no more than the piece that was asked for last: read on from there it goes on, read from a place before
// that it begins anew. Threads: any. It allocates; it is no I/O.
class ReportFile {
  public:
    ReportFile(const ZonedDevice& device, ReportFormat format);

    // At most `size` bytes from `offset` on; fewer only at the end.
    std::string read(std::uint64_t offset, std::size_t size);

  private:
    void begin_anew();
    void append_portion();

    const ZonedDevice& device_;
    const DiskReport report_;
    std::mutex mutex_;  // guards all below
    std::string piece_;
    std::uint64_t piece_begin_ = 0;  // its place in the whole
    ZoneId next_{0};
    bool ended_ = false;
};

}  // namespace reflux::fuse
