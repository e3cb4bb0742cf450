// INQUIRY: SPC-5 clause 6.7, vital product data pages of SPC-5 clause 7.7, SBC-4 clause 6.6 and ZBC-2 clause
// 6.5.
#pragma once

#include "daemon/scsi/data_in.h"
#include "daemon/scsi/unit.h"

namespace reflux::scsi {

void write_standard_inquiry(const LogicalUnit& unit, DataIn& out);
// False: the unit has no such page; nothing is written.
bool write_vpd_page(const LogicalUnit& unit, std::uint8_t page, DataIn& out);

}  // namespace reflux::scsi
