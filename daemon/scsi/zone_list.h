// REPORT ZONES: ZBC-2 clause 5.7. The parameter data is made in portions, so that the answer's memory is all
// that is needed for a million zones.
#pragma once

#include "backend/zone/zone_report.h"
#include "daemon/scsi/cdb.h"
#include "daemon/scsi/unit.h"

#include <optional>
#include <span>

namespace reflux::scsi {

struct ZoneListRequest {
    std::uint64_t first_lba = 0;  // of the first zone, or inside of it
    ReportingOption option = ReportingOption::all;
    bool partial = false;
    std::uint32_t allocation = 0;  // ALLOCATION LENGTH, bytes

    bool operator==(const ZoneListRequest&) const = default;
};

// Nothing: reporting options that there are not.
std::optional<ZoneListRequest> parse_zone_list_request(const Cdb& cdb);

// Who knows the zones.
class ZoneSource {
  public:
    ZoneSource() = default;
    ZoneSource(const ZoneSource&) = delete;
    ZoneSource& operator=(const ZoneSource&) = delete;
    ZoneSource(ZoneSource&&) = delete;
    ZoneSource& operator=(ZoneSource&&) = delete;
    virtual ~ZoneSource() = default;

    [[nodiscard]] virtual ReportAnswer report(const ReportRequest& request,
                                              std::span<ZoneDescriptor> out) const = 0;
    [[nodiscard]] virtual ZoneId zone_of(Bytes offset) const = 0;
};

// Writes as much of the header and of the descriptors as `out` holds, in whole descriptors; how many bytes.
// The request's first_lba is on the disk. Zones that change while the portions are asked for show as they
// were at one time or another.
std::size_t write_zone_list(const LogicalUnit& unit, const ZoneListRequest& request, const ZoneSource& zones,
                            std::span<std::byte> out);

}  // namespace reflux::scsi
