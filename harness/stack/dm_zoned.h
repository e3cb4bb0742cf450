// dm-zoned on a zoned block device: formatted (dm_zoned_format.h has the layout) and mapped.
#pragma once

#include "backend/base/result.h"
#include "harness/journal/journal.h"
#include "harness/stack/dm_zoned_format.h"
#include "harness/stack/stack.h"

#include <string>

namespace reflux::stack {

// Resets the sequential zones of `device` and writes both sets of metadata; what it held is lost. Refused
// (EBUSY) while it is mounted or mapped, and where dm_zoned_layout() refuses it. Bounded.
Status format_dm_zoned(const std::string& device, const DmZonedOptions& options = {});

// Maps a formatted `device` as /dev/dm-N, which the kernel calls `name`: mapping_up().
Result<BlockDevice> dm_zoned_up(const std::string& device, const std::string& name,
                                journal::Journal& journal);

}  // namespace reflux::stack
