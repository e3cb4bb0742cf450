// Logical units, CDBs and answers for tests of daemon/scsi.
#pragma once

#include "daemon/scsi/commands.h"
#include "daemon/scsi/sense.h"

#include <initializer_list>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace reflux::scsi::test {

inline ZonedShape shape(ZoneModel model, std::uint64_t conventional = 2) {
    return {.size = mebibytes(2) + kibibytes(32),
            .zone_size = kibibytes(64),
            .conventional = conventional,
            .model = model,
            .max_open = 8};
}

inline LogicalUnit unit_of(const ZonedShape& shape) {
    LogicalUnit unit = zoned_unit(ZonedGeometry::make(shape).value()).value();
    unit.max_transfer_blocks = 2048;
    unit.serial = "1a2B-3c";
    return unit;
}

// The units that differ: 65 zones of 128 blocks, the last one of half of them.
inline LogicalUnit host_managed() {
    return unit_of(shape(ZoneModel::host_managed));
}
inline LogicalUnit host_aware() {
    return unit_of(shape(ZoneModel::host_aware));
}
inline LogicalUnit plain() {
    LogicalUnit unit = plain_unit(mebibytes(2), 4096);
    unit.max_transfer_blocks = 256;
    return unit;
}

inline Cdb cdb(std::initializer_list<unsigned> bytes) {
    Cdb cdb{};
    std::size_t at = 0;
    for (const unsigned byte : bytes) {
        cdb.at(at++) = static_cast<std::uint8_t>(byte);
    }
    return cdb;
}

// READ(16) and all that is laid out like it: the range of blocks, and byte 1.
inline Cdb cdb_16(Opcode opcode, std::uint64_t lba, std::uint32_t count, unsigned byte_1 = 0) {
    Cdb cdb{};
    cdb[0] = static_cast<std::uint8_t>(opcode);
    cdb[1] = static_cast<std::uint8_t>(byte_1);
    put_be(std::span(cdb), 2, lba);
    put_be(std::span(cdb), 10, count);
    return cdb;
}

struct Planned {
    Plan plan;
    DataIn data;

    [[nodiscard]] unsigned at(std::size_t offset) const {
        return std::to_integer<unsigned>(data.bytes()[offset]);
    }
    template <std::unsigned_integral T>
    [[nodiscard]] T number(std::size_t offset) const {
        return get_be<T>(data.bytes(), offset);
    }
    [[nodiscard]] std::string text(std::size_t offset, std::size_t length) const {
        std::string text;
        for (const std::byte byte : data.bytes().subspan(offset, length)) {
            text += static_cast<char>(byte);
        }
        return text;
    }
};

inline Planned plan(const LogicalUnit& unit, const Cdb& cdb) {
    Planned planned;
    planned.plan = plan_command(unit, cdb, planned.data);
    return planned;
}

inline void expect_refused(const Plan& plan, Sense sense) {
    EXPECT_EQ(plan.kind, Plan::Kind::refused);
    EXPECT_EQ(plan.sense, sense) << unsigned{plan.sense.key} << " " << unsigned{plan.sense.asc} << " "
                                 << unsigned{plan.sense.ascq};
}

}  // namespace reflux::scsi::test

namespace reflux {
// GoogleTest's name for it.
inline void PrintTo(const Sense& sense, std::ostream* out) {  // NOLINT(readability-identifier-naming)
    *out << fmt::format("{:x}/{:02x}/{:02x}", sense.key, sense.asc, sense.ascq);
}
}  // namespace reflux
