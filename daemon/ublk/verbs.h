// refluxd ublk list and refluxd ublk delete: devices whose daemon may be gone.
#pragma once

#include "backend/base/result.h"

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace reflux::ublk {

// Every ublk device of the machine, whoever serves it: id, device, state (dead, live, quiesced: waits to be
// recovered, fail_io), pid, zoned.
Result<nlohmann::json> list_devices();

// Ends a device: first in peace, and when its daemon does not answer what it has taken by the death of that.
// timed_out after half a minute at most: a request is stuck in the kernel; says where. What a killed daemon
// has kept for the next one goes with it. Call it from a single-threaded process.
Status delete_device(std::uint32_t id);

// The same for every device that was made from this image, which may be in use.
Status delete_devices_of(const std::string& image);

}  // namespace reflux::ublk
