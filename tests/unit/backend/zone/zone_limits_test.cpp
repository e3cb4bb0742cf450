// Limits of open and active zones, and what closes a zone for another.
#include "backend/zone/zone_table.h"

#include <gtest/gtest.h>

namespace reflux {
namespace {

using enum ZoneCondition;
constexpr auto none = ZoneError::none;
constexpr std::uint64_t z = kibibytes(64).value;

// 8 zones, the first of them conventional.
ZoneTable table_of(ZoneModel model, std::uint32_t max_open, std::uint32_t max_active = 0) {
    return ZoneTable::fresh(ZonedGeometry::make({.size = {8 * z},
                                                 .zone_size = {z},
                                                 .conventional = 1,
                                                 .model = model,
                                                 .max_open = max_open,
                                                 .max_active = max_active})
                                .value());
}
ZoneTable managed(std::uint32_t max_open, std::uint32_t max_active = 0) {
    return table_of(ZoneModel::host_managed, max_open, max_active);
}

// Writes one block at the zone's write pointer.
ZoneError write(ZoneTable& table, std::uint64_t id) {
    const Extent extent{.offset = {id * z + table.zone({id}).written.value}, .length = {512}};
    const auto error = table.begin_write(extent);
    if (error == none) {
        table.record_write(extent);
    }
    return error;
}

ZoneCondition condition(const ZoneTable& table, std::uint64_t id) {
    return table.zone({id}).condition;
}

TEST(ZoneLimits, TheZoneOpenedLongestAgoIsClosedForTheNext) {
    auto table = managed(2);
    ASSERT_EQ(write(table, 3), none);
    ASSERT_EQ(write(table, 1), none);
    ASSERT_EQ(write(table, 3), none) << "is open already";
    ASSERT_EQ(write(table, 2), none);
    EXPECT_EQ(condition(table, 3), closed);
    EXPECT_EQ(condition(table, 1), implicit_open);
    EXPECT_EQ(condition(table, 2), implicit_open);
    ASSERT_EQ(table.open({4}), none);
    EXPECT_EQ(condition(table, 1), closed);
    EXPECT_EQ(table.summary().open(), 2U);
    EXPECT_EQ(table.summary().active(), 4U);
}

TEST(ZoneLimits, AZoneIsOpenFromTheBeginningOfItsWriteOn) {
    auto table = managed(1);
    ASSERT_EQ(table.begin_write({.offset = {z}, .length = {512}}), none);
    EXPECT_EQ(condition(table, 1), implicit_open);
    EXPECT_EQ(table.zone({1}).written, Bytes{0});
    ASSERT_EQ(write(table, 2), none);
    EXPECT_EQ(condition(table, 1), empty) << "nothing was written";
}

TEST(ZoneLimits, AnIdleZoneIsClosedBeforeOneWithAWriteInFlight) {
    auto table = managed(2);
    ASSERT_EQ(table.begin_write({.offset = {z}, .length = {512}}), none);
    ASSERT_EQ(write(table, 2), none);
    ASSERT_EQ(write(table, 3), none);
    EXPECT_EQ(condition(table, 1), implicit_open) << "though it was opened first";
    EXPECT_EQ(condition(table, 2), closed);
    table.abandon_write({.offset = {z}, .length = {512}});
    ASSERT_EQ(write(table, 4), none);
    EXPECT_EQ(condition(table, 1), empty) << "its write is over, though it failed";
}

TEST(ZoneLimits, AZoneWithAWriteInFlightStaysActive) {
    auto table = managed(1, 2);
    const auto first = [](std::uint64_t id) { return Extent{.offset = {id * z}, .length = {512}}; };
    ASSERT_EQ(table.begin_write(first(1)), none);
    ASSERT_EQ(table.begin_write(first(2)), none);
    EXPECT_EQ(condition(table, 1), empty) << "closed for the other";
    EXPECT_EQ(table.begin_write(first(3)), ZoneError::too_many_active);
    table.record_write(first(2));
    table.record_write(first(1));
    EXPECT_EQ(table.summary().active(), 2U);
    EXPECT_EQ(table.summary().open(), 1U);
    EXPECT_EQ(table.begin_write(first(3)), ZoneError::too_many_active);
    ASSERT_EQ(table.reset({1}), none);
    EXPECT_EQ(write(table, 3), none);
}

TEST(ZoneLimits, NothingIsClosedForOneThatIsRefused) {
    auto table = managed(1);
    ASSERT_EQ(write(table, 1), none);
    EXPECT_EQ(table.begin_write({.offset = {2 * z + 512}, .length = {512}}), ZoneError::unaligned_write);
    EXPECT_EQ(table.open({0}), ZoneError::invalid_field);
    EXPECT_EQ(table.open({8}), ZoneError::out_of_range);
    EXPECT_EQ(condition(table, 1), implicit_open);
}

TEST(ZoneLimits, ExplicitlyOpenZonesAreNotClosed) {
    auto table = managed(2);
    ASSERT_EQ(write(table, 3), none);
    ASSERT_EQ(table.close({3}), none);
    ASSERT_EQ(table.open({1}), none);
    ASSERT_EQ(table.open({2}), none);
    EXPECT_EQ(table.open({2}), none) << "is open already";
    for (const std::uint64_t other : {3U, 4U}) {
        EXPECT_EQ(table.open({other}), ZoneError::too_many_open);
        EXPECT_EQ(table.finish({other}), ZoneError::too_many_open);
        EXPECT_EQ(write(table, other), ZoneError::too_many_open);
        EXPECT_EQ(table.begin_append({other}, {512}).error, ZoneError::too_many_open);
    }
    EXPECT_EQ(write(table, 1), none);
    ASSERT_EQ(table.finish({1}), none);
    EXPECT_EQ(table.open({3}), none) << "a full zone is not open";
}

TEST(ZoneLimits, AFinishedZoneTakesARoomOnItsWay) {
    auto table = managed(1);
    ASSERT_EQ(write(table, 1), none);
    ASSERT_EQ(table.finish({2}), none);
    EXPECT_EQ(condition(table, 1), closed);
    EXPECT_EQ(condition(table, 2), full);
}

TEST(ZoneLimits, OfAHostAwareDiskTheyAreAnOptimum) {
    auto table = table_of(ZoneModel::host_aware, 2);
    ASSERT_EQ(table.open({1}), none);
    ASSERT_EQ(table.open({2}), none);
    EXPECT_EQ(table.open({3}), ZoneError::too_many_open);
    EXPECT_EQ(write(table, 3), none);
    EXPECT_EQ(condition(table, 3), closed) << "there was no room for it to stay open";
    EXPECT_EQ(table.finish({4}), none);
    ASSERT_EQ(table.close({1}), none);
    ASSERT_EQ(write(table, 3), none);
    ASSERT_EQ(write(table, 5), none);
    EXPECT_EQ(condition(table, 3), closed);
    EXPECT_EQ(condition(table, 5), implicit_open);
}

TEST(ZoneLimits, AWriteOverSeveralPreferredZonesOpensTheLast) {
    auto table = table_of(ZoneModel::host_aware, 1);
    const Extent extent{.offset = {2 * z - 512}, .length = {1024}};
    ASSERT_EQ(table.begin_write(extent), none);
    table.record_write(extent);
    EXPECT_EQ(condition(table, 1), full);
    EXPECT_EQ(condition(table, 2), implicit_open);
}

TEST(ZoneLimits, ClosedZonesAreActive) {
    auto table = managed(1, 2);
    ASSERT_EQ(write(table, 1), none);
    ASSERT_EQ(write(table, 2), none);
    EXPECT_EQ(write(table, 3), ZoneError::too_many_active);
    EXPECT_EQ(table.open({3}), ZoneError::too_many_active);
    EXPECT_EQ(write(table, 1), none) << "closed, so active already";
    ASSERT_EQ(table.reset({2}), none);
    EXPECT_EQ(write(table, 3), none);
}

TEST(ZoneLimits, AllClosedZonesAreOpenedOrNone) {
    auto table = managed(3);
    for (const std::uint64_t id : {1U, 2U, 3U, 4U, 5U}) {
        ASSERT_EQ(write(table, id), none);
    }
    ASSERT_EQ(table.summary().count(closed), 2U);
    ASSERT_EQ(table.open_all(), none);
    EXPECT_EQ(condition(table, 1), explicit_open);
    EXPECT_EQ(condition(table, 2), explicit_open);
    EXPECT_EQ(condition(table, 3), closed) << "for them";
    EXPECT_EQ(condition(table, 4), closed);
    EXPECT_EQ(condition(table, 5), implicit_open);
    EXPECT_EQ(table.open_all(), ZoneError::too_many_open);
    EXPECT_EQ(condition(table, 3), closed);
    table.close_all();
    EXPECT_EQ(table.summary().count(closed), 5U);
    table.finish_all();
    EXPECT_EQ(table.summary().count(full), 5U);
    EXPECT_EQ(table.summary().count(empty), 2U) << "empty zones are not finished";
}

TEST(ZoneLimits, ResetAllLeavesWhatCannotBeReset) {
    auto table = managed(0);
    for (const std::uint64_t id : {1U, 2U, 3U}) {
        ASSERT_EQ(write(table, id), none);
    }
    table.degrade({2}, ZoneCondition::read_only);
    table.degrade({3}, ZoneCondition::offline);
    table.degrade({3}, ZoneCondition::read_only);
    table.reset_all();
    EXPECT_EQ(condition(table, 0), not_write_pointer);
    EXPECT_EQ(condition(table, 1), empty);
    EXPECT_EQ(condition(table, 2), ZoneCondition::read_only);
    EXPECT_EQ(condition(table, 3), ZoneCondition::offline) << "for good";
}

TEST(ZoneLimits, AreKeptWhenOpenZonesAreRestored) {
    const auto before = managed(2);
    std::vector<Zone> zones;
    for (std::uint64_t id = 0; id < 8; ++id) {
        zones.push_back(before.zone({id}));
    }
    zones[5].condition = zones[6].condition = implicit_open;
    auto table = ZoneTable::restore(before.geometry(), zones).value();
    ASSERT_EQ(write(table, 1), none);
    EXPECT_EQ(condition(table, 5), empty);
    EXPECT_EQ(condition(table, 6), implicit_open);
}

}  // namespace
}  // namespace reflux
