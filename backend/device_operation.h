// What can be asked of the zoned disk.
#pragma once

#include <cstdint>
#include <string_view>

namespace reflux {

// The first three have the values of io::Operation.
enum class DeviceOperation : std::uint8_t {
    read,
    write,
    flush,
    append,     // a write at the write pointer of a zone: ZONE APPEND of NVMe ZNS
    discard,    // the range reads as zeroes afterwards, and its room is given back
    open_zone,  // OPEN ZONE, CLOSE ZONE, FINISH ZONE and RESET WRITE POINTER of ZBC-2
    close_zone,
    finish_zone,
    reset_zone,
};

constexpr std::string_view to_string(DeviceOperation operation) {
    switch (operation) {
        case DeviceOperation::read:
            return "read";
        case DeviceOperation::write:
            return "write";
        case DeviceOperation::flush:
            return "flush";
        case DeviceOperation::append:
            return "append";
        case DeviceOperation::discard:
            return "discard";
        case DeviceOperation::open_zone:
            return "open_zone";
        case DeviceOperation::close_zone:
            return "close_zone";
        case DeviceOperation::finish_zone:
            return "finish_zone";
        case DeviceOperation::reset_zone:
            return "reset_zone";
    }
    return "unknown";
}

}  // namespace reflux
