// What a request of the block layer asks of the disk, and how it is answered. Pure.
#pragma once

#include "backend/device_operation.h"
#include "backend/zone/zone_report.h"
#include "daemon/ublk/abi.h"

#include <linux/blkzoned.h>

namespace reflux::ublk {

// Which way its data go.
enum class Transfer : std::uint8_t { none, from_kernel, to_kernel };

struct Plan {
    int error = 0;               // errno value that is the answer
    bool reports_zones = false;  // of `zones` zones from the one on that begins at `offset`; no request
    DeviceOperation operation = DeviceOperation::read;
    Transfer transfer = Transfer::none;
    bool all_zones = false;
    std::uint64_t offset = 0;  // bytes on the disk
    std::uint64_t length = 0;  // bytes; of a zone command 0
    std::uint32_t zones = 0;
};

// `largest`: bytes that a request with data may have.
Plan plan_for(const IoDescriptor& descriptor, std::uint64_t largest);

// The result of a request that ended with `error`, an errno value. A report's is the most that there can be,
// for the descriptor does not tell the size of its buffer; the driver cuts it off there.
std::int32_t result_of(const Plan& plan, int error, std::uint64_t largest);

// A zone as the kernel wants it in a report. A zone whose write pointer means nothing (conventional, full)
// has it at its end, as null_blk has it; one that is worn out for writing has none.
blk_zone to_blk_zone(const ZoneDescriptor& zone);

}  // namespace reflux::ublk
