// A command as it comes, and what is to be done for it. Pure: no ring, no disk, no allocation.
#pragma once

#include "backend/device_operation.h"
#include "backend/zone/zone_error.h"
#include "daemon/scsi/cdb.h"
#include "daemon/scsi/data_in.h"
#include "daemon/scsi/unit.h"
#include "daemon/scsi/zone_list.h"

#include <cstdint>

namespace reflux::scsi {

struct Plan {
    enum class Kind : std::uint8_t {
        done,        // GOOD, nothing more
        refused,     // CHECK CONDITION with `sense`
        answer,      // `answer` holds the parameter data, `allocation` how much of it is wanted at most
        disk,        // a request to the disk
        zone_list,   // write_zone_list() of `zones`
        parameters,  // plan_parameters() of the first `length` bytes that the initiator sends
    };
    Kind kind = Kind::done;
    Sense sense;
    std::uint64_t allocation = 0;
    ZoneListRequest zones;
    // The disk's: what, and of read, write and discard where on it, in bytes. Zone management: the zone's
    // start in `offset`, or all zones.
    DeviceOperation operation = DeviceOperation::read;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    bool all_zones = false;
    bool durable = false;  // FUA: a write to be flushed before it is answered

    [[nodiscard]] bool moves_data() const {
        return kind == Kind::disk &&
               (operation == DeviceOperation::read || operation == DeviceOperation::write);
    }
};

// `answer` is cleared, and filled where the plan is `answer`.
Plan plan_command(const LogicalUnit& unit, const Cdb& cdb, DataIn& answer);

// Whether the answer holds the unit's serial number.
bool tells_serial(const Cdb& cdb);

// Of a command whose plan was `parameters`; `data` is as long as that said. The plan is done, refused or
// disk.
Plan plan_parameters(const LogicalUnit& unit, const Cdb& cdb, std::span<const std::byte> data);

}  // namespace reflux::scsi
