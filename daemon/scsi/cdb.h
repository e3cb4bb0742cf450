// Command descriptor blocks, as far as they are alike: which blocks a command is about.
#pragma once

#include "daemon/scsi/big_endian.h"

#include <array>
#include <cstdint>

namespace reflux::scsi {

// One of 16 bytes, or a shorter one with zeroes behind it. Longer ones are of commands that no disk here has.
using Cdb = std::array<std::uint8_t, 16>;

// By the opcode's upper three bits, its group (SPC-5 clause 4.2.5.1). Of groups without a length, all of it.
constexpr std::size_t cdb_length(std::uint8_t opcode) {
    constexpr std::array<std::size_t, 8> lengths{6, 10, 10, 16, 16, 12, 16, 16};
    return lengths.at(opcode >> 5U);
}

struct BlockRange {
    std::uint64_t lba = 0;
    std::uint64_t count = 0;

    bool operator==(const BlockRange&) const = default;
};

// LOGICAL BLOCK ADDRESS and TRANSFER LENGTH where the CDB's group has them (SPC-5 clause 4.2.5): 6, 10, 12 or
// 16 bytes by the opcode's upper three bits.
constexpr BlockRange block_range(const Cdb& cdb) {
    const std::span<const std::uint8_t> bytes(cdb);
    switch (cdb[0] >> 5U) {
        case 0:
            // READ(6) and WRITE(6): 21 bits, and a length of 0 is one of 256.
            return {.lba = get_be<std::uint32_t>(bytes, 0) & 0x1fffffU, .count = cdb[4] == 0 ? 256U : cdb[4]};
        case 4:
            return {.lba = get_be<std::uint64_t>(bytes, 2), .count = get_be<std::uint32_t>(bytes, 10)};
        case 5:
            return {.lba = get_be<std::uint32_t>(bytes, 2), .count = get_be<std::uint32_t>(bytes, 6)};
        default:
            return {.lba = get_be<std::uint32_t>(bytes, 2), .count = get_be<std::uint16_t>(bytes, 7)};
    }
}

}  // namespace reflux::scsi
