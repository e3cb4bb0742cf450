// MODE SENSE and MODE SELECT, of 6 and 10 bytes (SPC-5 clauses 6.12 to 6.15): the read-write error recovery,
// caching and control pages. Nothing in them can be changed.
#pragma once

#include "backend/zone/zone_error.h"
#include "daemon/scsi/cdb.h"
#include "daemon/scsi/data_in.h"

namespace reflux::scsi {

// Writes the answer, or gives the refusal.
Sense write_mode_sense(const Cdb& cdb, DataIn& out);

// Length of the parameter list that the CDB announces, bytes.
std::size_t mode_select_length(const Cdb& cdb);
// Taken is what says nothing else than MODE SENSE does.
Sense check_mode_select(const Cdb& cdb, std::span<const std::byte> parameters);

}  // namespace reflux::scsi
