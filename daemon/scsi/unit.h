// The disk as SCSI describes it: a logical unit.
#pragma once

#include "backend/zone/zoned_geometry.h"

#include <cstdint>
#include <string>

namespace reflux::scsi {

// How the disk's zones show. `none` is also a disk of conventional zones alone: a direct access block device.
enum class Zoned : std::uint8_t { none, host_aware, host_managed };

struct LogicalUnit {
    std::uint64_t blocks = 0;
    std::uint32_t block_size = sector_size;  // bytes
    Zoned zoned = Zoned::none;
    std::uint32_t max_open = 0;  // 0: no limit
    bool unrestricted_reads = true;
    bool can_discard = false;
    std::uint32_t max_transfer_blocks = 0;  // of one READ or WRITE
    std::string serial;                     // PRODUCT SERIAL NUMBER

    [[nodiscard]] Bytes bytes_at(std::uint64_t lba) const { return {lba * block_size}; }
    [[nodiscard]] std::uint64_t lba_of(Bytes offset) const { return offset.value / block_size; }
    // Whether all of the blocks are on the disk; no overflow for any values.
    [[nodiscard]] bool contains(std::uint64_t lba, std::uint64_t count) const {
        return lba <= blocks && count <= blocks - lba;
    }
};

// The zoned disk. Refused: zones of less capacity than size, for which ZBC-2 has gap zones, and Linux before
// 5.19 no word.
Result<LogicalUnit> zoned_unit(const ZonedGeometry& geometry);
// A disk of that size without zones, which takes writes anywhere: the translated one.
LogicalUnit plain_unit(Bytes size, std::uint32_t block_size);

}  // namespace reflux::scsi
