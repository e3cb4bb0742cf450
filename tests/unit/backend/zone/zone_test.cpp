#include "backend/zone/zone.h"

#include <array>
#include <ostream>
#include <vector>

#include <linux/blkzoned.h>

#include <gtest/gtest.h>

namespace reflux {

// NOLINTBEGIN(readability-identifier-naming): GoogleTest looks for this name
void PrintTo(const Zone& zone, std::ostream* out) {
    *out << to_string(zone.type) << " " << to_string(zone.condition) << " written " << zone.written.value;
}
void PrintTo(ZoneError error, std::ostream* out) {
    *out << to_string(error);
}
// NOLINTEND(readability-identifier-naming)

namespace {

using enum ZoneCondition;
constexpr auto none = ZoneError::none;
constexpr auto unaligned_write = ZoneError::unaligned_write;
constexpr auto invalid_field = ZoneError::invalid_field;
constexpr Bytes capacity = kibibytes(64);
constexpr ZoneBounds bounds{.capacity = capacity};
constexpr auto required = ZoneType::sequential_write_required;
constexpr auto preferred = ZoneType::sequential_write_preferred;

Zone zone_of(ZoneType type, ZoneCondition condition, std::uint64_t written = 0) {
    return {.written = {written}, .type = type, .condition = condition};
}

TEST(ZoneValues, AreThoseOfTheKernelsHeader) {
    EXPECT_EQ(static_cast<int>(ZoneType::conventional), BLK_ZONE_TYPE_CONVENTIONAL);
    EXPECT_EQ(static_cast<int>(required), BLK_ZONE_TYPE_SEQWRITE_REQ);
    EXPECT_EQ(static_cast<int>(preferred), BLK_ZONE_TYPE_SEQWRITE_PREF);
    EXPECT_EQ(static_cast<int>(not_write_pointer), BLK_ZONE_COND_NOT_WP);
    EXPECT_EQ(static_cast<int>(empty), BLK_ZONE_COND_EMPTY);
    EXPECT_EQ(static_cast<int>(implicit_open), BLK_ZONE_COND_IMP_OPEN);
    EXPECT_EQ(static_cast<int>(explicit_open), BLK_ZONE_COND_EXP_OPEN);
    EXPECT_EQ(static_cast<int>(closed), BLK_ZONE_COND_CLOSED);
    EXPECT_EQ(static_cast<int>(ZoneCondition::read_only), BLK_ZONE_COND_READONLY);
    EXPECT_EQ(static_cast<int>(full), BLK_ZONE_COND_FULL);
    EXPECT_EQ(static_cast<int>(ZoneCondition::offline), BLK_ZONE_COND_OFFLINE);
}

// One condition of a sequential zone, with half of it written where that can be, and what every operation
// makes of it.
struct Row {
    Zone before;
    ZoneError write_at_pointer;
    ZoneCondition after_write;  // of 512 bytes at the write pointer, when allowed
    ZoneError open;
    ZoneCondition after_open;
    ZoneCondition after_close;  // close is allowed where open is
    ZoneCondition after_finish;
    ZoneCondition after_reset;
    ZoneCondition after_power_cycle;
};

constexpr std::uint64_t half = capacity.value / 2;
const std::vector<Row>& rows() {
    static const std::vector<Row> table{
        {zone_of(required, empty), none, implicit_open, none, explicit_open, empty, full, empty, empty},
        {zone_of(required, implicit_open, half), none, implicit_open, none, explicit_open, closed, full,
         empty, closed},
        {zone_of(required, explicit_open, half), none, explicit_open, none, explicit_open, closed, full,
         empty, closed},
        {zone_of(required, explicit_open), none, explicit_open, none, explicit_open, empty, full, empty,
         empty},
        {zone_of(required, closed, half), none, implicit_open, none, explicit_open, closed, full, empty,
         closed},
        {zone_of(required, full, capacity.value), invalid_field, full, none, full, full, full, empty, full},
        {zone_of(required, ZoneCondition::read_only, half), ZoneError::read_only, ZoneCondition::read_only,
         ZoneError::read_only, ZoneCondition::read_only, ZoneCondition::read_only, ZoneCondition::read_only,
         ZoneCondition::read_only, ZoneCondition::read_only},
        {zone_of(required, ZoneCondition::offline, half), ZoneError::offline, ZoneCondition::offline,
         ZoneError::offline, ZoneCondition::offline, ZoneCondition::offline, ZoneCondition::offline,
         ZoneCondition::offline, ZoneCondition::offline},
    };
    return table;
}

// The same zone as sequential-write-preferred differs in one place: a full zone may be written.
class EveryCondition : public testing::TestWithParam<ZoneType> {
  protected:
    static Zone before(const Row& row) {
        Zone zone = row.before;
        zone.type = GetParam();
        return zone;
    }
};
INSTANTIATE_TEST_SUITE_P(BothTypes, EveryCondition, testing::Values(required, preferred));

TEST_P(EveryCondition, Write) {
    for (const Row& row : rows()) {
        Zone zone = before(row);
        SCOPED_TRACE(testing::PrintToString(zone));
        const bool full_preferred = GetParam() == preferred && zone.condition == full;
        const Bytes offset = std::min(zone.written, capacity - Bytes{512});
        EXPECT_EQ(check_write(zone, offset, {512}, bounds), full_preferred ? none : row.write_at_pointer);
        record_write(zone, offset, {512}, bounds);
        EXPECT_EQ(zone.condition, row.after_write);
        EXPECT_TRUE(is_consistent(zone, bounds));
    }
}

TEST_P(EveryCondition, Management) {
    for (const Row& row : rows()) {
        SCOPED_TRACE(testing::PrintToString(row.before));
        const auto expect = [&](ZoneError error, const Zone& zone, ZoneCondition after) {
            EXPECT_EQ(error, row.open);
            EXPECT_EQ(zone.condition, after);
            EXPECT_TRUE(is_consistent(zone, bounds));
            if (error != none) {
                EXPECT_EQ(zone, before(row)) << "refused, so unchanged";
            }
        };
        Zone zone = before(row);
        expect(open_zone(zone), zone, row.after_open);
        zone = before(row);
        expect(close_zone(zone), zone, row.after_close);
        zone = before(row);
        expect(finish_zone(zone, capacity), zone, row.after_finish);
        zone = before(row);
        expect(reset_zone(zone), zone, row.after_reset);
        zone = before(row);
        power_cycle(zone);
        EXPECT_EQ(zone.condition, row.after_power_cycle);
        EXPECT_TRUE(is_consistent(zone, bounds));
    }
}

TEST(Zone, FinishMovesThePointerToTheEndAndResetToTheStart) {
    Zone zone = zone_of(required, closed, half);
    ASSERT_EQ(finish_zone(zone, capacity), none);
    EXPECT_EQ(zone.written, capacity);
    ASSERT_EQ(reset_zone(zone), none);
    EXPECT_EQ(zone.written, Bytes{0});
}

TEST(Zone, ASequentialWriteRequiredZoneIsWrittenAtItsPointerOnly) {
    const Zone zone = zone_of(required, implicit_open, 4096);
    EXPECT_EQ(check_write(zone, {4096}, {512}, bounds), none);
    EXPECT_EQ(check_write(zone, {0}, {512}, bounds), unaligned_write);
    EXPECT_EQ(check_write(zone, {4608}, {512}, bounds), unaligned_write);
}

TEST(Zone, ASequentialWritePreferredZoneIsWrittenAnywhereAndItsPointerNeverGoesBack) {
    Zone zone = fresh_zone(preferred);
    ASSERT_EQ(check_write(zone, {8192}, {4096}, bounds), none);
    record_write(zone, {8192}, {4096}, bounds);
    EXPECT_EQ(zone.written, Bytes{12288});
    EXPECT_TRUE(zone.non_sequential);
    record_write(zone, {0}, {4096}, bounds);
    EXPECT_EQ(zone.written, Bytes{12288}) << "ends below the pointer";
    record_write(zone, {12288}, {100}, bounds);
    EXPECT_EQ(zone.written, Bytes{12800}) << "a write pointer stands between logical blocks";
    record_write(zone, {12288}, capacity - Bytes{12288}, bounds);
    EXPECT_EQ(zone.condition, full);
    EXPECT_EQ(zone.written, capacity);
}

TEST(Zone, APreferredZoneTakesAWriteInPiecesThatAreNoBlocks) {
    Zone zone = fresh_zone(preferred);
    ASSERT_EQ(check_write(zone, {0}, {1000}, bounds), none);
    record_write(zone, {0}, {1000}, bounds);
    ASSERT_EQ(check_write(zone, {1000}, {24}, bounds), none);
    record_write(zone, {1000}, {24}, bounds);
    EXPECT_EQ(zone, zone_of(preferred, implicit_open, 1024)) << "and it was written sequentially";
    record_write(zone, {2048}, {512}, bounds);
    EXPECT_TRUE(zone.non_sequential);
    ASSERT_EQ(finish_zone(zone, capacity), none);
    EXPECT_TRUE(zone.non_sequential);
    ASSERT_EQ(reset_zone(zone), none);
    EXPECT_EQ(zone, fresh_zone(preferred));
}

TEST(Zone, ARequiredZoneTakesWholeBlocksOnly) {
    const ZoneBounds large{.capacity = capacity, .block = 4096};
    const Zone zone = fresh_zone(required);
    EXPECT_EQ(check_write(zone, {0}, {1000}, bounds), unaligned_write);
    EXPECT_EQ(check_write(zone, {0}, {1024}, bounds), none);
    EXPECT_EQ(check_write(zone, {0}, {1024}, large), unaligned_write);
    EXPECT_EQ(check_write(zone, {0}, {8192}, large), none);
}

TEST(Zone, APreferredPointerStandsBetweenLogicalBlocksOf4096) {
    Zone zone = fresh_zone(preferred);
    record_write(zone, {0}, {512}, {.capacity = capacity, .block = 4096});
    EXPECT_EQ(zone.written, Bytes{4096});
}

TEST(Zone, NothingIsWrittenBehindTheCapacity) {
    const ZoneBounds small{.capacity = {8192}};
    Zone zone = zone_of(required, implicit_open, 4096);
    EXPECT_EQ(check_write(zone, {4096}, {4608}, small), ZoneError::write_boundary_violation);
    EXPECT_EQ(check_write(zone, {8192}, {512}, small), ZoneError::gap);
    ASSERT_EQ(check_write(zone, {4096}, {4096}, small), none);
    record_write(zone, {4096}, {4096}, small);
    EXPECT_EQ(zone, zone_of(required, full, 8192));
    EXPECT_EQ(check_write(zone, {8192}, {512}, small), ZoneError::gap);
    EXPECT_EQ(check_write(zone, {0}, {512}, small), invalid_field) << "full";
}

TEST(Zone, AWriteThatIsOvertakenByAResetChangesNothing) {
    Zone zone = zone_of(required, implicit_open, 4096);
    ASSERT_EQ(reset_zone(zone), none);
    record_write(zone, {4096}, {512}, bounds);
    EXPECT_EQ(zone, fresh_zone(required));
}

TEST(Zone, ConventionalZonesHaveNoPointerAndNoManagement) {
    Zone zone = fresh_zone(ZoneType::conventional);
    ASSERT_EQ(check_write(zone, {4096}, {512}, bounds), none);
    record_write(zone, {4096}, {512}, bounds);
    EXPECT_EQ(zone, fresh_zone(ZoneType::conventional));
    EXPECT_EQ(open_zone(zone), invalid_field);
    EXPECT_EQ(close_zone(zone), invalid_field);
    EXPECT_EQ(finish_zone(zone, capacity), invalid_field);
    EXPECT_EQ(reset_zone(zone), invalid_field);
    EXPECT_EQ(zone, fresh_zone(ZoneType::conventional));
}

TEST(Zone, AnEmptyWriteChangesNothing) {
    Zone zone = fresh_zone(required);
    record_write(zone, {0}, {0}, bounds);
    EXPECT_EQ(zone, fresh_zone(required));
}

TEST(ZoneConsistency, ImpossibleStatesAreFound) {
    const std::array impossible{
        zone_of(preferred, empty, 512),
        zone_of(preferred, closed, 0),
        zone_of(preferred, full, 512),
        zone_of(required, implicit_open, 1000),
        zone_of(preferred, implicit_open, capacity.value),
        zone_of(preferred, not_write_pointer),
        zone_of(preferred, ZoneCondition::offline, capacity.value + 1),
        zone_of(ZoneType::conventional, empty),
        zone_of(ZoneType::conventional, not_write_pointer, 512),
        zone_of(static_cast<ZoneType>(0), empty),
        zone_of(preferred, static_cast<ZoneCondition>(7)),
    };
    EXPECT_FALSE(is_consistent({.type = required, .condition = empty, .non_sequential = true}, bounds));
    EXPECT_FALSE(is_consistent({.reset_recommended = true}, bounds));
    for (const Zone& zone : impossible) {
        EXPECT_FALSE(is_consistent(zone, bounds)) << testing::PrintToString(zone);
    }
}

}  // namespace
}  // namespace reflux
