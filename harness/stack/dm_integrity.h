// dm-integrity on a block device, by itself and not below dm-crypt: a checksum for each block, whose metadata
// go through dm-bufio. It is here for the sake of dm-bufio's shrinker.
#pragma once

#include "backend/base/result.h"
#include "harness/journal/journal.h"
#include "harness/stack/stack.h"

#include <string>

namespace reflux::stack {

// Lets the kernel format `device`, and writes every block of the mapping, so that each has its checksum
// (Linux, Documentation/admin-guide/device-mapper/dm-integrity.rst); what it held is lost. `name` is for a
// mapping meanwhile, gone when this returns. The module must be loaded. Bounded.
Status format_dm_integrity(const std::string& device, const std::string& name, journal::Journal& journal);

// Maps a formatted `device` as /dev/dm-N. Journalled as dm_zoned_up(). Bounded.
Result<BlockDevice> dm_integrity_up(const std::string& device, const std::string& name,
                                    journal::Journal& journal);

}  // namespace reflux::stack
