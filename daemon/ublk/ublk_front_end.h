// The ublk front end: the disk as the block device /dev/ublkbN, zoned where it is host-managed.
#pragma once

#include "backend/zoned_device.h"
#include "daemon/base/front_end.h"

#include <cstdint>
#include <memory>
#include <optional>

namespace reflux::ublk {

// Before anything is opened: there is a ublk, and the device that is to be taken over.
Status check_ublk(std::optional<std::uint32_t> recover);

// Adds a device, or takes `recover` over from a daemon that was killed: the image must be the one that it
// served (invalid_input), opened with DeviceOptions::zone_memory. `disk` is `zones` or its translation;
// both outlive the front end. unsupported: the kernel has no ublk, or one that lacks something; it says what
// to do.
//
// A disk that does its I/O in the thread that submits gets a queue for each request that it takes at once, as
// long as there are processors; every other one has a single queue.
Result<std::unique_ptr<FrontEnd>> make_ublk_front_end(Disk& disk, const ZonedDevice& zones,
                                                      std::optional<std::uint32_t> recover);

}  // namespace reflux::ublk
