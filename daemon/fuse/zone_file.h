// What a zone looks like as a file, and what a message to it, or to the file of the whole disk, asks of the
// disk. Zones are as zonefs has them (fs/zonefs in Linux), of whatever model: a conventional zone is a file
// of fixed size; a sequential one ends at its write pointer, is written only there, and is truncated only to
// nothing (reset) and to its capacity (finish), and that by its path. Pure.
#pragma once

#include "backend/device_operation.h"
#include "backend/zone/zone_error.h"
#include "backend/zone/zone_report.h"
#include "daemon/fuse/message.h"

namespace reflux::fuse {

// Permissions: none of an offline zone, no writing of a read-only one.
unsigned zone_file_mode(const ZoneDescriptor& zone);
Bytes zone_file_size(const ZoneDescriptor& zone);
// Whether it may be opened for writing: zonefs marks the files of worn zones immutable (EPERM, for root too).
bool may_write(const ZoneDescriptor& zone);

// What is to be done for a message.
struct Plan {
    int error = 0;               // errno value that is the answer
    bool asks_the_disk = false;  // false, without an error: there is nothing to do
    DeviceOperation operation = DeviceOperation::read;
    std::uint64_t offset = 0;  // bytes on the disk
    std::uint64_t length = 0;  // bytes; less than was asked for where the file ends
};

// Kinds other than truncate and open_truncated. A file ends where a disk refuses: reads are clipped to
// `size`.
Plan plan_for_disk(const Message& message, Bytes size);
// Kinds other than fallocate, which zonefs has not. `largest` bytes the kernel writes at once; where it has
// cut off what follows, a write in a sequential zone is clipped to whole logical blocks and so answered as a
// short one.
Plan plan_for_zone(const Message& message, const ZoneDescriptor& zone, unsigned logical_block_size,
                   std::uint64_t largest);

// How zonefs says what the disk has refused to do.
int errno_of_zone_file(DeviceOperation operation, ZoneError refusal);

}  // namespace reflux::fuse
