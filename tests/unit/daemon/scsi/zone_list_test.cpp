#include "daemon/scsi/zone_list.h"

#include "tests/unit/daemon/scsi/scsi_fixture.h"
#include "tests/unit/daemon/scsi/table_source.h"

#include <algorithm>

namespace reflux::scsi::test {
namespace {

constexpr std::uint64_t zone_blocks = 128;
constexpr std::size_t zones = 33;

Cdb report_cdb(std::uint64_t lba, std::uint32_t allocation, unsigned options) {
    Cdb cdb = cdb_16(Opcode::zbc_in, lba, allocation);
    cdb[14] = static_cast<std::uint8_t>(options);
    return cdb;
}

class ZoneList : public testing::Test {
  protected:
    ZoneList() : table_(ZoneTable::fresh(ZonedGeometry::make(shape(ZoneModel::host_managed)).value())) {
        EXPECT_EQ(table_.geometry().zone_count(), zones);
        EXPECT_EQ(table_.open({5}), ZoneError::none);
        EXPECT_EQ(table_.finish({6}), ZoneError::none);
        table_.record_write({table_.geometry().start_of({7}), Bytes{1536}});
        table_.degrade({9}, ZoneCondition::offline);
        table_.degrade({10}, ZoneCondition::read_only);
        table_.recommend_reset({7});
    }

    // The answer as it stands in `room` bytes.
    std::vector<std::byte> list(std::uint64_t lba, unsigned options, std::size_t room) {
        const auto planned = plan(unit_, report_cdb(lba, static_cast<std::uint32_t>(room), options)).plan;
        EXPECT_EQ(planned.kind, Plan::Kind::zone_list);
        EXPECT_EQ(planned.allocation, room);
        std::vector<std::byte> out(room, std::byte{0xee});
        const std::size_t written = write_zone_list(unit_, planned.zones, TableSource(table_), out);
        EXPECT_LE(written, room);
        EXPECT_TRUE(std::all_of(out.begin() + static_cast<std::ptrdiff_t>(written), out.end(),
                                [](std::byte byte) { return byte == std::byte{0xee}; }));
        out.resize(written);
        return out;
    }
    static std::uint32_t length_of(const std::vector<std::byte>& list) {
        return get_be<std::uint32_t>(std::span<const std::byte>(list), 0);
    }
    static std::uint64_t number(const std::vector<std::byte>& list, std::size_t zone, std::size_t at) {
        return get_be<std::uint64_t>(std::span<const std::byte>(list), 64 + zone * 64 + at);
    }
    static unsigned byte(const std::vector<std::byte>& list, std::size_t zone, std::size_t at) {
        return std::to_integer<unsigned>(list.at(64 + zone * 64 + at));
    }

    LogicalUnit unit_ = host_managed();
    ZoneTable table_;
};

TEST_F(ZoneList, AllZones) {
    const auto all = list(0, 0, 64 * 1024);
    ASSERT_EQ(all.size(), 64 + zones * 64);
    EXPECT_EQ(length_of(all), zones * 64);
    EXPECT_EQ(get_be<std::uint64_t>(std::span<const std::byte>(all), 8), unit_.blocks - 1);
    for (std::size_t zone = 0; zone < zones; ++zone) {
        EXPECT_EQ(number(all, zone, 8), zone == zones - 1 ? zone_blocks / 2 : zone_blocks);
        EXPECT_EQ(number(all, zone, 16), zone * zone_blocks);
    }
    EXPECT_EQ(byte(all, 0, 0), 0x01U);
    EXPECT_EQ(byte(all, 0, 1), 0x00U);
    EXPECT_EQ(number(all, 0, 24), ~std::uint64_t{0});
    EXPECT_EQ(byte(all, 2, 0), 0x02U);
    EXPECT_EQ(byte(all, 2, 1), 0x10U);
    EXPECT_EQ(number(all, 2, 24), 2 * zone_blocks);
    EXPECT_EQ(byte(all, 5, 1), 0x30U);
    EXPECT_EQ(byte(all, 6, 1), 0xe0U);
    EXPECT_EQ(byte(all, 7, 1), 0x21U) << "implicitly open, reset recommended";
    EXPECT_EQ(number(all, 7, 24), 7 * zone_blocks + 3);
    EXPECT_EQ(byte(all, 9, 1), 0xf0U);
    EXPECT_EQ(byte(all, 10, 1), 0xd0U);
}

TEST_F(ZoneList, BeginsAtTheZoneThatHoldsTheBlock) {
    const auto from = list(5 * zone_blocks + 17, 0, 4096);
    EXPECT_EQ(number(from, 0, 16), 5 * zone_blocks);
    EXPECT_EQ(length_of(from), (zones - 5) * 64);
    const auto last = list(unit_.blocks - 1, 0, 4096);
    EXPECT_EQ(length_of(last), 64U);
    expect_refused(plan(unit_, report_cdb(unit_.blocks, 4096, 0)).plan, sense::lba_out_of_range);
    expect_refused(plan(unit_, report_cdb(~std::uint64_t{0}, 4096, 0)).plan, sense::lba_out_of_range);
}

TEST_F(ZoneList, ReportingOptionsSelect) {
    struct Expected {
        unsigned option;
        std::uint64_t count;
    };
    for (const auto& [option, count] :
         {Expected{0x00, 33}, Expected{0x01, 26}, Expected{0x02, 1}, Expected{0x03, 1}, Expected{0x04, 0},
          Expected{0x05, 1}, Expected{0x06, 1}, Expected{0x07, 1}, Expected{0x10, 1}, Expected{0x11, 0},
          Expected{0x3e, 33}, Expected{0x3f, 2}}) {
        const auto whole = list(0, option, 64 * 1024);
        EXPECT_EQ(length_of(whole), count * 64) << option;
        EXPECT_EQ(whole.size(), 64 + count * 64) << option;
        EXPECT_EQ(length_of(list(0, option, 64)), count * 64) << "counted without room";
    }
    for (const unsigned reserved : {0x08U, 0x0fU, 0x12U, 0x3dU}) {
        expect_refused(plan(unit_, report_cdb(0, 4096, reserved)).plan, sense::invalid_field_in_cdb);
    }
}

TEST_F(ZoneList, AllocationCutsAndPartialCountsWhatIsThere) {
    constexpr unsigned partial = 0x80;
    for (const std::size_t fit : {0U, 1U, 5U, 31U, 32U, 33U, 40U}) {
        for (const std::size_t more : {0U, 1U, 63U}) {
            const std::size_t there = std::min(fit, zones);
            const auto whole = list(0, 0, 64 + fit * 64 + more);
            EXPECT_EQ(whole.size(), 64 + there * 64) << "whole descriptors";
            EXPECT_EQ(length_of(whole), zones * 64);
            EXPECT_EQ(length_of(list(0, partial, 64 + fit * 64 + more)), there * 64);
        }
    }
}

TEST_F(ZoneList, AHeaderThatIsCut) {
    EXPECT_EQ(list(0, 0, 0).size(), 0U);
    EXPECT_EQ(list(0, 0, 7).size(), 7U);
    EXPECT_EQ(length_of(list(0, 0, 7)), zones * 64);
    EXPECT_EQ(list(0, 0, 63).size(), 63U);
}

}  // namespace
}  // namespace reflux::scsi::test
