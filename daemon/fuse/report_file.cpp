#include "daemon/fuse/report_file.h"

#include <algorithm>
#include <array>

namespace reflux::fuse {

ReportFile::ReportFile(const ZonedDevice& device, ReportFormat format)
    : device_(device),
      report_(format, {.image = device.image_path(),
                       .superblock = device.superblock(),
                       .was_unclean = device.image_was_unclean(),
                       .in_use = true}) {
    begin_anew();
}

void ReportFile::begin_anew() {
    piece_ = report_.head();
    piece_begin_ = 0;
    next_ = {0};
    ended_ = false;
}

void ReportFile::append_portion() {
    std::array<ZoneDescriptor, 512> portion;
    const std::size_t count = device_.report(next_, portion);
    for (const auto& zone : std::span(portion).first(count)) {
        report_.append_zone(piece_, next_, zone);
        ++next_.value;
    }
    if (count == 0) {
        piece_ += report_.end();
        ended_ = true;
    }
}

std::string ReportFile::read(std::uint64_t offset, std::size_t size) {
    const std::lock_guard lock(mutex_);
    if (offset < piece_begin_) {
        begin_anew();
    }
    for (;;) {
        const std::uint64_t behind = std::min<std::uint64_t>(offset - piece_begin_, piece_.size());
        piece_.erase(0, behind);
        piece_begin_ += behind;
        if (ended_ || (piece_begin_ == offset && piece_.size() >= size)) {
            break;
        }
        append_portion();
    }
    return piece_begin_ == offset ? piece_.substr(0, size) : "";
}

}  // namespace reflux::fuse
