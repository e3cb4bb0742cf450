// SCSI status and sense data: how a command says that it failed (SAM-5 clause 5.3, SPC-5 clause 4.4). What
// the zone model refuses has its sense in backend/zone/zone_error.h.
#pragma once

#include "backend/device_operation.h"
#include "backend/zone/zone_error.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace reflux::scsi {

inline constexpr std::uint8_t status_good = 0x00;
inline constexpr std::uint8_t status_check_condition = 0x02;

// Key, ASC, ASCQ: SPC-5 tables 49 and 51.
namespace sense {
inline constexpr Sense none{};
inline constexpr Sense read_error{0x3, 0x11, 0x00};
inline constexpr Sense write_error{0x3, 0x0c, 0x00};
inline constexpr Sense internal_failure{0x4, 0x44, 0x00};
inline constexpr Sense parameter_list_length{0x5, 0x1a, 0x00};
inline constexpr Sense invalid_opcode{0x5, 0x20, 0x00};
inline constexpr Sense lba_out_of_range{0x5, 0x21, 0x00};
inline constexpr Sense invalid_field_in_cdb{0x5, 0x24, 0x00};
inline constexpr Sense invalid_field_in_parameters{0x5, 0x26, 0x00};
inline constexpr Sense saving_not_supported{0x5, 0x39, 0x00};
// SPACE ALLOCATION FAILED WRITE PROTECT: the lower filesystem is full. Linux makes ENOSPC of it.
inline constexpr Sense no_space{0x7, 0x27, 0x07};
}  // namespace sense

// Current errors in fixed format (SPC-5 clause 4.4.3), as D_SENSE = 0 in the control mode page promises.
using SenseData = std::array<std::byte, 18>;
SenseData fixed_format(Sense sense);

// Of a request that the disk has ended with `error` (errno), not 0, and `refusal`.
Sense sense_of_failure(DeviceOperation operation, int error, ZoneError refusal);

}  // namespace reflux::scsi
