// A mapping of the device mapper as a block device of the stack.
#pragma once

#include "backend/base/result.h"
#include "harness/journal/device_mapper.h"
#include "harness/journal/journal.h"
#include "harness/stack/stack.h"

#include <functional>
#include <string>

namespace reflux::stack {

// Makes the mapping `name` (at most 120 bytes, and no mapping on this machine may have it) as /dev/dm-N,
// journalled first, as Kind::dm_device; `target` is called in a child with the deadline `time`, and may
// block. unsupported: no device mapper; the module of the target is loaded by the kernel itself. Bounded.
Result<BlockDevice> mapping_up(const std::string& name, Seconds time,
                               const std::function<Result<journal::Target>()>& target,
                               journal::Journal& journal);

}  // namespace reflux::stack
