#include "backend/zone/zone_table.h"

#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using testing::HasSubstr;
constexpr Bytes zone_size = kibibytes(64);
constexpr std::uint64_t z = zone_size.value;
constexpr auto required = ZoneType::sequential_write_required;
constexpr auto preferred = ZoneType::sequential_write_preferred;

// 2 conventional zones, 3 sequential ones, the last of which has 4096 bytes.
ZonedShape small_shape(ZoneModel model) {
    return {.size = {4 * z + 4096}, .zone_size = zone_size, .conventional = 2, .model = model};
}
ZonedGeometry small_geometry(ZoneModel model = ZoneModel::host_aware) {
    return ZonedGeometry::make(small_shape(model)).value();
}

TEST(ZonedGeometry, RefusesWhatIsNoDisk) {
    const auto message = [](Bytes size, Bytes zone, std::uint64_t conventional) {
        const auto made =
            ZonedGeometry::make({.size = size, .zone_size = zone, .conventional = conventional});
        return made ? std::string("accepted") : made.error().message;
    };
    EXPECT_THAT(message({0}, zone_size, 0), HasSubstr("disk size"));
    EXPECT_THAT(message({4097}, zone_size, 0), HasSubstr("multiple of 4KiB"));
    EXPECT_THAT(message(mebibytes(1), kibibytes(96), 0), HasSubstr("power of two"));
    EXPECT_THAT(message(mebibytes(1), kibibytes(32), 0), HasSubstr("at least 64KiB"));
    EXPECT_THAT(message(mebibytes(1), {0}, 0), HasSubstr("power of two"));
    EXPECT_THAT(message(mebibytes(1), gibibytes(512 * 1024), 0), HasSubstr("at most 256TiB"));
    EXPECT_EQ(message(mebibytes(1), gibibytes(256 * 1024), 0), "accepted");
    EXPECT_THAT(message(mebibytes(1), zone_size, 17), HasSubstr("17 conventional zones on a disk of 16"));
    EXPECT_THAT(message({std::uint64_t{1} << 62U}, zone_size, 0), HasSubstr("larger zones"));
    EXPECT_EQ(message(mebibytes(1), zone_size, 16), "accepted");
}

TEST(ZonedGeometry, RefusesWhatTheModelCannotHave) {
    const auto message = [](auto change) {
        ZonedShape shape = small_shape(ZoneModel::host_managed);
        change(shape);
        const auto made = ZonedGeometry::make(shape);
        return made ? std::string("accepted") : made.error().message;
    };
    EXPECT_EQ(message([](ZonedShape&) {}), "accepted");
    EXPECT_THAT(message([](ZonedShape& shape) { shape.logical_block_size = 1024; }),
                HasSubstr("512 or 4096"));
    EXPECT_THAT(message([](ZonedShape& shape) { shape.zone_capacity = {2 * z}; }),
                HasSubstr("at most the zone size"));
    EXPECT_THAT(message([](ZonedShape& shape) { shape.zone_capacity = {1000}; }), HasSubstr("multiple"));
    EXPECT_THAT(message([](ZonedShape& shape) {
                    shape.logical_block_size = 4096;
                    shape.zone_capacity = {512};
                }),
                HasSubstr("logical block size 4096"));
    EXPECT_THAT(message([](ZonedShape& shape) {
                    shape.max_open = 3;
                    shape.max_active = 2;
                }),
                HasSubstr("at most 3 open"));
    EXPECT_EQ(message([](ZonedShape& shape) {
                  shape.zone_capacity = {z - 4096};
                  shape.logical_block_size = 4096;
                  shape.max_open = shape.max_active = 2;
              }),
              "accepted");
    const auto aware = [&](auto change) {
        return message([&](ZonedShape& shape) {
            shape.model = ZoneModel::host_aware;
            change(shape);
        });
    };
    EXPECT_THAT(aware([](ZonedShape& shape) { shape.zone_capacity = {4096}; }), HasSubstr("host-managed"));
    EXPECT_THAT(aware([](ZonedShape& shape) { shape.max_active = 1; }), HasSubstr("host-managed"));
    EXPECT_EQ(aware([](ZonedShape& shape) { shape.max_open = 1; }), "accepted");
}

TEST(ZonedGeometry, KeepsItsShape) {
    ZonedShape shape = small_shape(ZoneModel::host_managed);
    EXPECT_EQ(ZonedGeometry::make(shape)->shape().zone_capacity, zone_size) << "0 stands for all of it";
    shape.zone_capacity = {z / 2};
    shape.max_active = 5;
    const auto geometry = ZonedGeometry::make(shape).value();
    EXPECT_EQ(geometry.shape(), shape);
    EXPECT_EQ(geometry.capacity_of({1}), zone_size) << "conventional";
    EXPECT_EQ(geometry.capacity_of({2}), Bytes{z / 2});
    EXPECT_EQ(geometry.length_of({2}), zone_size);
    EXPECT_EQ(geometry.capacity_of({4}), Bytes{4096}) << "shorter than the capacity";
    EXPECT_EQ(geometry.type_of({1}), ZoneType::conventional);
    EXPECT_EQ(geometry.type_of({2}), required);
    EXPECT_EQ(small_geometry().type_of({2}), preferred);
}

TEST(ZonedGeometry, KnowsItsZones) {
    const auto geometry = small_geometry();
    EXPECT_EQ(geometry.zone_count(), 5U);
    EXPECT_EQ(geometry.zone_of({z - 1}), ZoneId{0});
    EXPECT_EQ(geometry.zone_of({z}), ZoneId{1});
    EXPECT_EQ(geometry.start_of({4}), Bytes{4 * z});
    EXPECT_EQ(geometry.capacity_of({3}), zone_size);
    EXPECT_EQ(geometry.capacity_of({4}), Bytes{4096}) << "the last zone is smaller";
    EXPECT_TRUE(geometry.is_conventional({1}));
    EXPECT_FALSE(geometry.is_conventional({2}));
}

TEST(ZonedGeometry, ContainsDoesNotOverflow) {
    const auto geometry = small_geometry();
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    EXPECT_TRUE(geometry.contains({.offset = {0}, .length = geometry.size()}));
    EXPECT_TRUE(geometry.contains({.offset = geometry.size(), .length = {0}}));
    EXPECT_FALSE(geometry.contains({.offset = {512}, .length = geometry.size()}));
    EXPECT_FALSE(geometry.contains({.offset = {512}, .length = {most}}));
    EXPECT_FALSE(geometry.contains({.offset = {most}, .length = {512}}));
}

TEST(ZonedGeometry, SplitsAtZoneBorders) {
    const auto split = [](Extent extent) {
        std::vector<ZonePiece> pieces;
        small_geometry().for_each_piece(extent, [&](const ZonePiece& piece) { pieces.push_back(piece); });
        return pieces;
    };
    const auto piece = [](std::uint64_t zone, std::uint64_t offset, std::uint64_t length) {
        return ZonePiece{.zone = {zone}, .offset_in_zone = {offset}, .length = {length}};
    };
    EXPECT_EQ(split({.offset = {0}, .length = {0}}), std::vector<ZonePiece>{});
    EXPECT_EQ(split({.offset = {512}, .length = {1024}}), std::vector{piece(0, 512, 1024)});
    EXPECT_EQ(split({.offset = {0}, .length = {z}}), std::vector{piece(0, 0, z)}) << "ends on the border";
    EXPECT_EQ(split({.offset = {z - 512}, .length = {1024}}),
              (std::vector{piece(0, z - 512, 512), piece(1, 0, 512)}));
    EXPECT_EQ(split({.offset = {2 * z + 512}, .length = {2 * z - 512 + 4096}}),
              (std::vector{piece(2, 512, z - 512), piece(3, 0, z), piece(4, 0, 4096)}));
}

TEST(ZoneTable, ChecksTheRange) {
    const auto table = ZoneTable::fresh(small_geometry());
    for (const auto& check : {&ZoneTable::check_write, &ZoneTable::check_read}) {
        EXPECT_EQ((table.*check)({.offset = {0}, .length = {4 * z + 4096}}), ZoneError::none);
        EXPECT_EQ((table.*check)({.offset = {512}, .length = {4 * z + 4096}}), ZoneError::out_of_range);
        EXPECT_EQ((table.*check)({.offset = {100}, .length = {77}}), ZoneError::none) << "a piece of a write";
    }
}

TEST(ZoneTable, AWriteNeverCrossesTheBorderOfASequentialWriteRequiredZone) {
    const auto table = ZoneTable::fresh(small_geometry(ZoneModel::host_managed));
    EXPECT_EQ(table.check_write({.offset = {z - 512}, .length = {1024}}), ZoneError::none)
        << "both conventional";
    EXPECT_EQ(table.check_write({.offset = {2 * z - 512}, .length = {1024}}),
              ZoneError::write_boundary_violation);
    EXPECT_EQ(table.check_write({.offset = {2 * z}, .length = {z + 512}}),
              ZoneError::write_boundary_violation);
    EXPECT_EQ(table.check_write({.offset = {2 * z}, .length = {z}}), ZoneError::none);
    EXPECT_EQ(table.check_write({.offset = {2 * z + 512}, .length = {512}}), ZoneError::unaligned_write);
    EXPECT_EQ(table.check_read({.offset = {2 * z}, .length = {2 * z}}), ZoneError::none);
}

TEST(ZoneTable, RecordsAWriteInEveryZoneThatItTouches) {
    auto table = ZoneTable::fresh(small_geometry());
    EXPECT_FALSE(table.record_write({.offset = {0}, .length = {2 * z}})) << "conventional";
    EXPECT_TRUE(table.record_write({.offset = {2 * z + 512}, .length = {z}}));
    EXPECT_EQ(table.describe({2}).condition, ZoneCondition::full);
    EXPECT_EQ(table.describe({3}).write_pointer, Bytes{3 * z + 512});
    EXPECT_EQ(table.describe({3}).condition, ZoneCondition::implicit_open);
    EXPECT_FALSE(table.record_write({.offset = {2 * z}, .length = {z}})) << "nothing new";
    EXPECT_TRUE(table.record_write({.offset = {4 * z}, .length = {4096}}));
    EXPECT_EQ(table.describe({4}).condition, ZoneCondition::full) << "the smaller last zone";
    EXPECT_EQ(table.summary().count(ZoneCondition::full), 2U);
    EXPECT_EQ(table.summary().count(ZoneCondition::implicit_open), 1U);
    EXPECT_EQ(table.summary().count(ZoneCondition::not_write_pointer), 2U);
    EXPECT_EQ(table.summary().count(ZoneCondition::empty), 0U);
}

TEST(ZoneTable, ManagesZonesAndKeepsTheSummary) {
    auto table = ZoneTable::fresh(small_geometry(ZoneModel::host_managed));
    EXPECT_EQ(table.open({5}), ZoneError::out_of_range);
    EXPECT_EQ(table.open({0}), ZoneError::invalid_field);
    EXPECT_EQ(table.open({2}), ZoneError::none);
    EXPECT_EQ(table.finish({4}), ZoneError::none);
    EXPECT_EQ(table.zone({4}).written, Bytes{4096});
    EXPECT_EQ(table.summary().count(ZoneCondition::explicit_open), 1U);
    EXPECT_EQ(table.close({2}), ZoneError::none);
    EXPECT_EQ(table.reset({4}), ZoneError::none);
    EXPECT_EQ(table.summary().count(ZoneCondition::empty), 3U);
    EXPECT_FALSE(table.power_cycle());
    table.record_write({.offset = {2 * z}, .length = {512}});
    EXPECT_TRUE(table.power_cycle());
    EXPECT_EQ(table.summary().count(ZoneCondition::closed), 1U);
}

TEST(ZoneTable, AppendsAtTheWritePointer) {
    ZonedShape shape = small_shape(ZoneModel::host_managed);
    shape.zone_capacity = {1536};
    auto table = ZoneTable::fresh(ZonedGeometry::make(shape).value());
    const auto first = table.begin_append({2}, {1024});
    ASSERT_EQ(first.error, ZoneError::none);
    EXPECT_EQ(first.extent, (Extent{.offset = {2 * z}, .length = {1024}}));
    EXPECT_EQ(table.zone({2}).condition, ZoneCondition::implicit_open);
    table.record_write(first.extent);
    EXPECT_EQ(table.begin_append({2}, {1024}).error, ZoneError::write_boundary_violation)
        << "over the capacity";
    EXPECT_EQ(table.begin_append({2}, {100}).error, ZoneError::unaligned_write);
    EXPECT_EQ(table.begin_append({2}, {0}).error, ZoneError::unaligned_write);
    const auto second = table.begin_append({2}, {512});
    EXPECT_EQ(second.extent.offset, Bytes{2 * z + 1024});
    table.record_write(second.extent);
    EXPECT_EQ(table.zone({2}).condition, ZoneCondition::full);
    EXPECT_EQ(table.describe({2}).write_pointer, Bytes{2 * z + 1536});
    EXPECT_EQ(table.begin_append({2}, {512}).error, ZoneError::invalid_field);
    EXPECT_EQ(table.begin_append({0}, {512}).error, ZoneError::invalid_field);
    EXPECT_EQ(table.begin_append({5}, {512}).error, ZoneError::out_of_range);
    table.degrade({3}, ZoneCondition::read_only);
    EXPECT_EQ(table.begin_append({3}, {512}).error, ZoneError::read_only);
}

TEST(ZoneTable, ReadsOfAHostManagedDiskDoNotCrossZoneTypes) {
    const auto managed = ZoneTable::fresh(small_geometry(ZoneModel::host_managed));
    EXPECT_EQ(managed.check_read({.offset = {0}, .length = {2 * z}}), ZoneError::none);
    EXPECT_EQ(managed.check_read({.offset = {z}, .length = {z + 512}}), ZoneError::read_invalid_data);
    EXPECT_EQ(managed.check_read({.offset = {2 * z}, .length = {2 * z + 4096}}), ZoneError::none)
        << "nothing is written there: URSWRZ";
    const auto aware = ZoneTable::fresh(small_geometry());
    EXPECT_EQ(aware.check_read({.offset = {z}, .length = {z + 512}}), ZoneError::none);
}

TEST(ZoneTable, RestrictedReadsEndAtTheWritePointer) {
    ZonedShape shape = small_shape(ZoneModel::host_managed);
    shape.unrestricted_reads = false;
    auto table = ZoneTable::fresh(ZonedGeometry::make(shape).value());
    table.record_write({.offset = {2 * z}, .length = {1024}});
    table.record_write({.offset = {3 * z}, .length = {1024}});
    EXPECT_EQ(table.check_read({.offset = {2 * z}, .length = {1024}}), ZoneError::none);
    EXPECT_EQ(table.check_read({.offset = {2 * z}, .length = {1025}}), ZoneError::read_invalid_data);
    EXPECT_EQ(table.check_read({.offset = {2 * z + 2048}, .length = {512}}), ZoneError::read_invalid_data);
    EXPECT_EQ(table.check_read({.offset = {3 * z - 512}, .length = {1024}}),
              ZoneError::read_boundary_violation);
    EXPECT_EQ(table.finish({2}), ZoneError::none);
    EXPECT_EQ(table.check_read({.offset = {2 * z}, .length = {z}}), ZoneError::none) << "full";
    EXPECT_EQ(table.check_read({.offset = {0}, .length = {2 * z}}), ZoneError::none) << "conventional";
}

TEST(ZoneTable, AnOfflineZoneIsNotRead) {
    auto table = ZoneTable::fresh(small_geometry());
    table.degrade({0}, ZoneCondition::offline);
    table.degrade({2}, ZoneCondition::read_only);
    EXPECT_EQ(table.check_read({.offset = {0}, .length = {512}}), ZoneError::offline);
    EXPECT_EQ(table.check_write({.offset = {0}, .length = {512}}), ZoneError::offline);
    EXPECT_EQ(table.check_read({.offset = {2 * z}, .length = {512}}), ZoneError::none);
    EXPECT_EQ(table.check_write({.offset = {z}, .length = {z + 512}}), ZoneError::read_only);
}

TEST(ZoneTable, RestoresOnlyWhatCanBe) {
    const auto geometry = small_geometry();
    std::vector<Zone> zones(5, fresh_zone(preferred));
    zones[0] = zones[1] = fresh_zone(ZoneType::conventional);
    EXPECT_TRUE(ZoneTable::restore(geometry, zones));
    const auto message = [&](std::size_t index, const Zone& zone) {
        auto changed = zones;
        changed[index] = zone;
        const auto restored = ZoneTable::restore(geometry, changed);
        return restored ? std::string("accepted") : restored.error().message;
    };
    EXPECT_THAT(message(0, fresh_zone(preferred)), HasSubstr("zone 0 is impossible"));
    EXPECT_THAT(message(2, fresh_zone(ZoneType::conventional)), HasSubstr("zone 2 is impossible"));
    EXPECT_THAT(message(2, fresh_zone(required)), HasSubstr("zone 2 is impossible"));
    EXPECT_THAT(message(4, {.written = {8192}, .type = preferred, .condition = ZoneCondition::full}),
                HasSubstr("zone 4 is impossible"));
    zones.pop_back();
    EXPECT_FALSE(ZoneTable::restore(geometry, zones));
}

}  // namespace
}  // namespace reflux
