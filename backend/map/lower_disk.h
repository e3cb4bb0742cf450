// The host-managed disk below a translation, one request after the other: the seam to what does its I/O.
#pragma once

#include "backend/base/units.h"

#include <cstddef>
#include <span>

namespace reflux::map {

// All wait for the request, answer 0 or an errno value, and allocate nothing. Offsets are bytes on the disk.
// Threads: any.
class LowerDisk {
  public:
    LowerDisk() = default;
    LowerDisk(const LowerDisk&) = delete;
    LowerDisk& operator=(const LowerDisk&) = delete;
    LowerDisk(LowerDisk&&) = delete;
    LowerDisk& operator=(LowerDisk&&) = delete;
    virtual ~LowerDisk() = default;

    virtual int read(Bytes offset, std::span<std::byte> buffer) = 0;
    virtual int write(Bytes offset, std::span<std::byte> buffer) = 0;
    // What was written, and the write pointers, outlast a loss of power.
    virtual int flush() = 0;
    // Durable when it is answered.
    virtual int reset(Bytes zone_start) = 0;
};

}  // namespace reflux::map
