// A disk and its zones in words, as text for people and as JSON: what `refluxd report` prints of an image,
// and what the FUSE view shows of the disk that is served. Head, each zone in order, end: so that a report of
// a million zones need not be held.
#pragma once

#include "backend/image_format.h"

#include <string>
#include <string_view>

namespace reflux {

enum class ReportFormat : std::uint8_t { text, json };

// What a report says besides its zones.
struct ReportedDisk {
    std::string image;  // path
    Superblock superblock;
    bool was_unclean = false;  // not closed properly, the last time
    bool in_use = false;       // served now
};

class DiskReport {
  public:
    DiskReport(ReportFormat format, const ReportedDisk& disk) : format_(format), head_(head(format, disk)) {}

    [[nodiscard]] const std::string& head() const { return head_; }
    // Appends what is said of one zone; after those before it.
    void append_zone(std::string& text, ZoneId id, const ZoneDescriptor& zone) const;
    [[nodiscard]] std::string_view end() const { return format_ == ReportFormat::json ? "]}\n" : ""; }

  private:
    static std::string head(ReportFormat format, const ReportedDisk& disk);

    ReportFormat format_;
    std::string head_;
};

}  // namespace reflux
