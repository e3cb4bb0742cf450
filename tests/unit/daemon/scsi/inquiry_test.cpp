// INQUIRY, READ CAPACITY and their like, by the tables of SPC-5, SBC-4 and ZBC-2.
#include "daemon/scsi/inquiry.h"

#include "tests/unit/daemon/scsi/scsi_fixture.h"

#include <gmock/gmock.h>

namespace reflux::scsi::test {
namespace {

Planned inquire(const LogicalUnit& unit, unsigned page, unsigned allocation = 255) {
    return plan(unit, cdb({0x12, 0x01, page, 0, allocation, 0}));
}

TEST(Inquiry, StandardDataTellsTheDeviceType) {
    const auto managed = plan(host_managed(), cdb({0x12, 0, 0, 0x01, 0x02, 0}));
    EXPECT_EQ(managed.plan.kind, Plan::Kind::answer);
    EXPECT_EQ(managed.plan.allocation, 0x102U);
    ASSERT_EQ(managed.data.size(), 36U);
    EXPECT_EQ(managed.at(0), 0x14U);
    EXPECT_EQ(managed.at(2), 5U);
    EXPECT_EQ(managed.at(3), 2U);
    EXPECT_EQ(managed.at(4), 31U);
    EXPECT_EQ(managed.at(7), 2U);
    EXPECT_EQ(managed.text(8, 8), "LIO-ORG ");
    EXPECT_EQ(managed.text(16, 16), "refluxd         ");
    EXPECT_EQ(plan(host_aware(), cdb({0x12})).at(0), 0x00U);
    EXPECT_EQ(plan(plain(), cdb({0x12})).at(0), 0x00U);
}

TEST(Inquiry, APageCodeNeedsTheBitOfVitalData) {
    expect_refused(plan(host_managed(), cdb({0x12, 0, 0x83, 0, 255, 0})).plan, sense::invalid_field_in_cdb);
}

TEST(Inquiry, PagesThatThereAreNot) {
    for (const unsigned page : {0x81U, 0x84U, 0xb3U, 0xffU}) {
        expect_refused(inquire(host_managed(), page).plan, sense::invalid_field_in_cdb);
    }
    expect_refused(inquire(plain(), 0xb6).plan, sense::invalid_field_in_cdb);
    const LogicalUnit only_sequential = unit_of(shape(ZoneModel::host_managed, 0));
    expect_refused(inquire(only_sequential, 0xb2).plan, sense::invalid_field_in_cdb);
}

TEST(Inquiry, EachListedPageIsThere) {
    for (const LogicalUnit& unit :
         {host_managed(), host_aware(), plain(), unit_of(shape(ZoneModel::host_managed, 0))}) {
        const auto list = inquire(unit, 0x00);
        const auto count = list.number<std::uint16_t>(2);
        ASSERT_EQ(list.data.size(), 4U + count);
        unsigned before = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const unsigned page = list.at(4 + i);
            EXPECT_TRUE(i == 0 || page > before) << "ascending";
            before = page;
            const auto answer = inquire(unit, page);
            EXPECT_EQ(answer.plan.kind, Plan::Kind::answer) << page;
            EXPECT_EQ(answer.at(0), unit.zoned == Zoned::host_managed ? 0x14U : 0U);
            EXPECT_EQ(answer.at(1), page);
            EXPECT_EQ(answer.number<std::uint16_t>(2), answer.data.size() - 4);
        }
    }
    EXPECT_EQ(inquire(host_managed(), 0).number<std::uint16_t>(2), 7);
    EXPECT_EQ(inquire(plain(), 0).number<std::uint16_t>(2), 6);
}

TEST(Inquiry, SerialAndIdentification) {
    EXPECT_EQ(inquire(host_managed(), 0x80).text(4, 7), "1a2B-3c");
    const auto page = inquire(host_managed(), 0x83);
    EXPECT_EQ(page.at(4), 2U);
    EXPECT_EQ(page.at(5), 1U);
    EXPECT_EQ(page.at(7), 8U + 7 + 1);
    EXPECT_EQ(page.text(8, 15), "LIO-ORG 1a2B-3c");
    const std::size_t naa = 4 + 4 + 16;
    EXPECT_EQ(page.at(naa), 1U);
    EXPECT_EQ(page.at(naa + 1), 3U);
    EXPECT_EQ(page.at(naa + 3), 16U);
    // 6, 001405, then the hexadecimal digits of the serial number.
    EXPECT_EQ(page.number<std::uint64_t>(naa + 4), 0x60014051a2b3c000U);
    EXPECT_EQ(page.number<std::uint64_t>(naa + 12), 0U);
}

TEST(Inquiry, ALongSerialNumberIsCutAndNothingOverflows) {
    LogicalUnit unit = host_managed();
    unit.serial = std::string(3000, 'a');
    EXPECT_LE(inquire(unit, 0x80).data.size(), DataIn::most);
    const auto page = inquire(unit, 0x83);
    EXPECT_EQ(page.at(7), 8U + 200 + 1);
    EXPECT_EQ(page.number<std::uint64_t>(4 + 4 + 209 + 12), 0xaaaaaaaaaaaaaaaaU);
}

TEST(Inquiry, BlockLimitsAndProvisioning) {
    const auto limits = inquire(host_managed(), 0xb0);
    EXPECT_EQ(limits.number<std::uint16_t>(2), 0x3c);
    EXPECT_EQ(limits.number<std::uint32_t>(8), 2048U);
    EXPECT_EQ(limits.number<std::uint32_t>(12), 2048U);
    EXPECT_EQ(limits.number<std::uint32_t>(20), 0xffffffffU);
    EXPECT_EQ(limits.number<std::uint32_t>(24), 1U);
    EXPECT_EQ(limits.number<std::uint32_t>(28), 8U);
    EXPECT_EQ(inquire(plain(), 0xb0).number<std::uint32_t>(28), 1U);
    const LogicalUnit only_sequential = unit_of(shape(ZoneModel::host_managed, 0));
    EXPECT_EQ(inquire(only_sequential, 0xb0).number<std::uint32_t>(20), 0U) << "no UNMAP";
    const auto provisioning = inquire(host_aware(), 0xb2);
    EXPECT_EQ(provisioning.number<std::uint16_t>(2), 4);
    EXPECT_EQ(provisioning.at(5), 0x84U) << "LBPU, LBPRZ 001b";
    EXPECT_EQ(provisioning.at(6), 2U);
}

TEST(Inquiry, CharacteristicsTellTheZoneModel) {
    EXPECT_EQ(inquire(host_managed(), 0xb1).at(8) & 0x30U, 0x00U) << "the device type says it";
    EXPECT_EQ(inquire(host_aware(), 0xb1).at(8) & 0x30U, 0x10U);
    EXPECT_EQ(inquire(plain(), 0xb1).at(8) & 0x30U, 0x00U);
    EXPECT_EQ(inquire(plain(), 0xb1).number<std::uint16_t>(4), 7200);
}

TEST(Inquiry, ZonedCharacteristics) {
    const auto managed = inquire(host_managed(), 0xb6);
    EXPECT_EQ(managed.data.size(), 64U);
    EXPECT_EQ(managed.at(4), 1U);
    EXPECT_EQ(managed.number<std::uint32_t>(8), 0U);
    EXPECT_EQ(managed.number<std::uint32_t>(16), 8U);
    const auto aware = inquire(host_aware(), 0xb6);
    EXPECT_EQ(aware.number<std::uint32_t>(8), 8U);
    EXPECT_EQ(aware.number<std::uint32_t>(12), 8U);
    EXPECT_EQ(aware.number<std::uint32_t>(16), 0U);
    ZonedShape without_limit = shape(ZoneModel::host_managed);
    without_limit.max_open = 0;
    without_limit.unrestricted_reads = false;
    const auto free = inquire(unit_of(without_limit), 0xb6);
    EXPECT_EQ(free.at(4), 0U);
    EXPECT_EQ(free.number<std::uint32_t>(16), 0xffffffffU);
}

TEST(Unit, ADiskOfConventionalZonesAloneHasNoZonesToShow) {
    const LogicalUnit unit = unit_of(shape(ZoneModel::host_managed, 33));
    EXPECT_EQ(unit.zoned, Zoned::none);
    EXPECT_TRUE(unit.can_discard);
    EXPECT_EQ(plan(unit, cdb({0x12})).at(0), 0U);
}

TEST(Unit, ZonesOfLessCapacityAreRefused) {
    ZonedShape gaps = shape(ZoneModel::host_managed);
    gaps.zone_capacity = kibibytes(32);
    const auto unit = zoned_unit(ZonedGeometry::make(gaps).value());
    ASSERT_FALSE(unit);
    EXPECT_EQ(unit.error().kind, ErrorKind::unsupported);
    EXPECT_THAT(unit.error().message, ::testing::HasSubstr("--zone-capacity"));
}

TEST(ReadCapacity, OfTenAndOfSixteenBytes) {
    const auto ten = plan(host_managed(), cdb({0x25}));
    EXPECT_EQ(ten.data.size(), 8U);
    EXPECT_EQ(ten.number<std::uint32_t>(0), 4160U - 1);
    EXPECT_EQ(ten.number<std::uint32_t>(4), 512U);
    const auto sixteen = plan(host_managed(), cdb({0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12}));
    EXPECT_EQ(sixteen.plan.allocation, 12U);
    EXPECT_EQ(sixteen.data.size(), 32U);
    EXPECT_EQ(sixteen.number<std::uint64_t>(0), 4160U - 1);
    EXPECT_EQ(sixteen.number<std::uint32_t>(8), 512U);
    EXPECT_EQ(sixteen.at(12), 0x10U) << "RC BASIS: the last block of all zones";
    EXPECT_EQ(sixteen.at(14), 0xc0U) << "LBPME, LBPRZ";
    EXPECT_EQ(plan(plain(), cdb({0x9e, 0x10})).at(12), 0U);
    EXPECT_EQ(plan(unit_of(shape(ZoneModel::host_managed, 0)), cdb({0x9e, 0x10})).at(14), 0U);
}

TEST(ReadCapacity, ADiskBeyondTenBytesSaysSo) {
    LogicalUnit unit = plain();
    unit.blocks = 0x100000001;
    EXPECT_EQ(plan(unit, cdb({0x25})).number<std::uint32_t>(0), 0xffffffffU);
    EXPECT_EQ(plan(unit, cdb({0x9e, 0x10})).number<std::uint64_t>(0), 0x100000000U);
    unit.blocks = 0x100000000;
    EXPECT_EQ(plan(unit, cdb({0x25})).number<std::uint32_t>(0), 0xffffffffU);
}

TEST(ReportLuns, OneUnit) {
    const auto all = plan(plain(), cdb({0xa0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0}));
    EXPECT_EQ(all.plan.allocation, 0x1000U);
    EXPECT_EQ(all.data.size(), 16U);
    EXPECT_EQ(all.number<std::uint32_t>(0), 8U);
    EXPECT_EQ(all.number<std::uint64_t>(8), 0U);
    EXPECT_EQ(plan(plain(), cdb({0xa0, 0, 1, 0, 0, 0, 0, 0, 16})).number<std::uint32_t>(0), 0U);
    expect_refused(plan(plain(), cdb({0xa0, 0, 3})).plan, sense::invalid_field_in_cdb);
}

TEST(RequestSense, NothingIsToBeSaid) {
    const auto fixed = plan(plain(), cdb({0x03, 0, 0, 0, 18}));
    EXPECT_EQ(fixed.data.size(), 18U);
    EXPECT_EQ(fixed.at(0), 0x70U);
    EXPECT_EQ(fixed.at(2), 0U);
    EXPECT_EQ(fixed.at(7), 10U);
    const auto descriptors = plan(plain(), cdb({0x03, 1, 0, 0, 252}));
    EXPECT_EQ(descriptors.data.size(), 8U);
    EXPECT_EQ(descriptors.at(0), 0x72U);
}

}  // namespace
}  // namespace reflux::scsi::test
