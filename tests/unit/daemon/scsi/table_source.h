// A ZoneTable that a zone list is made of.
#pragma once

#include "backend/zone/zone_table.h"
#include "daemon/scsi/zone_list.h"

namespace reflux::scsi::test {

class TableSource final : public ZoneSource {
  public:
    explicit TableSource(const ZoneTable& table) : table_(table) {}
    [[nodiscard]] ReportAnswer report(const ReportRequest& request,
                                      std::span<ZoneDescriptor> out) const override {
        return table_.report_matching(request, out);
    }
    [[nodiscard]] ZoneId zone_of(Bytes offset) const override { return table_.geometry().zone_of(offset); }

  private:
    const ZoneTable& table_;
};

}  // namespace reflux::scsi::test
