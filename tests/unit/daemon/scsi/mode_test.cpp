#include "daemon/scsi/mode.h"

#include "tests/unit/daemon/scsi/scsi_fixture.h"

namespace reflux::scsi::test {
namespace {

Planned sense_6(unsigned page, unsigned subpage = 0) {
    return plan(plain(), cdb({0x1a, 0, page, subpage, 255, 0}));
}
Planned sense_10(unsigned page) {
    return plan(plain(), cdb({0x5a, 0, page, 0, 0, 0, 0, 0x02, 0x03, 0}));
}

TEST(ModeSense, TheCachingPageSaysThatWritesAreCached) {
    const auto six = sense_6(0x08);
    EXPECT_EQ(six.plan.allocation, 255U);
    ASSERT_EQ(six.data.size(), 24U);
    EXPECT_EQ(six.at(0), 23U);
    EXPECT_EQ(six.at(2), 0U) << "neither write protected nor DPOFUA";
    EXPECT_EQ(six.at(3), 0U);
    EXPECT_EQ(six.at(4), 0x08U);
    EXPECT_EQ(six.at(5), 0x12U);
    EXPECT_EQ(six.at(6), 0x04U) << "WCE";
    const auto ten = sense_10(0x08);
    EXPECT_EQ(ten.plan.allocation, 0x203U);
    ASSERT_EQ(ten.data.size(), 28U);
    EXPECT_EQ(ten.number<std::uint16_t>(0), 26);
    EXPECT_EQ(ten.at(8), 0x08U);
    EXPECT_EQ(ten.at(10), 0x04U);
}

TEST(ModeSense, AllPagesInTheirOrder) {
    for (const unsigned subpage : {0U, 0xffU}) {
        const auto all = sense_6(0x3f, subpage);
        ASSERT_EQ(all.data.size(), 4U + 12 + 20 + 12);
        EXPECT_EQ(all.at(4), 0x01U);
        EXPECT_EQ(all.at(16), 0x08U);
        EXPECT_EQ(all.at(36), 0x0aU);
        EXPECT_EQ(all.at(36 + 2), 0x02U) << "GLTSD, and sense data in fixed format";
    }
}

TEST(ModeSense, NothingCanBeChangedAndNothingIsSaved) {
    const auto changeable = sense_6(0x40 | 0x08);
    EXPECT_EQ(changeable.at(4), 0x08U);
    EXPECT_EQ(changeable.at(5), 0x12U);
    EXPECT_EQ(changeable.at(6), 0U);
    EXPECT_EQ(sense_6(0x80 | 0x08).at(6), 0x04U) << "defaults are what there is";
    expect_refused(sense_6(0xc0 | 0x08).plan, sense::saving_not_supported);
}

TEST(ModeSense, PagesThatThereAreNot) {
    for (const unsigned page : {0x00U, 0x02U, 0x1cU, 0x3eU}) {
        expect_refused(sense_6(page).plan, sense::invalid_field_in_cdb);
    }
    expect_refused(sense_6(0x08, 0x01).plan, sense::invalid_field_in_cdb);
    expect_refused(sense_6(0x3f, 0x01).plan, sense::invalid_field_in_cdb);
}

// What MODE SENSE has answered, as a parameter list: lengths are reserved there.
std::vector<std::byte> list_of(const Planned& answer) {
    std::vector<std::byte> list(answer.data.bytes().begin(), answer.data.bytes().end());
    list[0] = {};
    return list;
}

constexpr auto pf = 0x10U;

TEST(ModeSelect, TakesWhatChangesNothing) {
    const Cdb six = cdb({0x15, pf, 0, 0, 48, 0});
    const auto planned = plan(plain(), six);
    EXPECT_EQ(planned.plan.kind, Plan::Kind::parameters);
    EXPECT_EQ(planned.plan.length, 48U);
    EXPECT_EQ(plan_parameters(plain(), six, list_of(sense_6(0x3f))).kind, Plan::Kind::done);
    EXPECT_EQ(plan_parameters(plain(), six, {}).kind, Plan::Kind::done);
    const Cdb ten = cdb({0x55, pf, 0, 0, 0, 0, 0, 0x01, 0x02, 0});
    EXPECT_EQ(plan(plain(), ten).plan.length, 0x102U);
    auto list = list_of(sense_10(0x08));
    list[1] = {};
    EXPECT_EQ(plan_parameters(plain(), ten, list).kind, Plan::Kind::done);
}

TEST(ModeSelect, RefusesChanges) {
    const Cdb six = cdb({0x15, pf, 0, 0, 24, 0});
    auto list = list_of(sense_6(0x08));
    list[6] = {};  // WCE off
    expect_refused(plan_parameters(plain(), six, list), sense::invalid_field_in_parameters);
    list = list_of(sense_6(0x08));
    list[4] = std::byte{0x07};  // no such page
    expect_refused(plan_parameters(plain(), six, list), sense::invalid_field_in_parameters);
    list = list_of(sense_6(0x08));
    list[5] = std::byte{0x13};  // not its length
    expect_refused(plan_parameters(plain(), six, list), sense::invalid_field_in_parameters);
    list = list_of(sense_6(0x08));
    list[3] = std::byte{8};  // a block descriptor
    expect_refused(plan_parameters(plain(), six, list), sense::invalid_field_in_parameters);
}

TEST(ModeSelect, RefusesListsThatAreCutShort) {
    const Cdb six = cdb({0x15, pf, 0, 0, 24, 0});
    const auto list = list_of(sense_6(0x08));
    for (const std::size_t length : {1U, 3U, 5U, 6U, 23U}) {
        expect_refused(plan_parameters(plain(), six, std::span(list).first(length)),
                       sense::parameter_list_length);
    }
    EXPECT_EQ(plan_parameters(plain(), six, std::span(list).first(4)).kind, Plan::Kind::done);
}

TEST(ModeSelect, SavesNothingAndWantsPages) {
    expect_refused(plan(plain(), cdb({0x15, pf | 1U, 0, 0, 24, 0})).plan, sense::invalid_field_in_cdb);
    expect_refused(plan(plain(), cdb({0x15, 0, 0, 0, 24, 0})).plan, sense::invalid_field_in_cdb);
}

}  // namespace
}  // namespace reflux::scsi::test
