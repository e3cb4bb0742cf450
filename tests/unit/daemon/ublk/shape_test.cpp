#include "daemon/ublk/shape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::ublk {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t recovery = feature_user_recovery | feature_user_recovery_reissue;

ZonedGeometry geometry(ZonedShape shape) {
    shape.size = shape.size.value == 0 ? mebibytes(64) : shape.size;
    shape.zone_size = mebibytes(4);
    return ZonedGeometry::make(shape).value();
}

Result<Shape> shape_of_disk(const ZonedShape& shape) {
    const auto disk = geometry(shape);
    return shape_of(disk, disk.size(), false);
}

TEST(Shape, AHostManagedDiskIsZoned) {
    const auto shape = shape_of_disk({.zone_capacity = mebibytes(3),
                                      .conventional = 2,
                                      .logical_block_size = 4096,
                                      .model = ZoneModel::host_managed,
                                      .max_open = 3,
                                      .max_active = 5});
    ASSERT_TRUE(shape);
    EXPECT_TRUE(shape->is_zoned());
    EXPECT_EQ(shape->features, recovery | feature_user_copy | feature_ioctl_encode | feature_zoned);
    const Parameters& parameters = shape->parameters;
    EXPECT_EQ(parameters.length, 112U);
    EXPECT_EQ(parameters.types, parameters_basic | parameters_zoned);
    EXPECT_EQ(parameters.basic.disk_sectors, 64U * 2048);
    EXPECT_EQ(parameters.basic.chunk_sectors, 4U * 2048);
    EXPECT_EQ(parameters.basic.logical_block_shift, 12);
    EXPECT_EQ(parameters.basic.attributes, attribute_volatile_cache);
    EXPECT_EQ(parameters.zoned.max_open, 3U);
    EXPECT_EQ(parameters.zoned.max_active, 5U);
    EXPECT_EQ(parameters.zoned.max_append_sectors, 2048U);
}

TEST(Shape, LimitsThatLimitNothingAreNone) {
    const auto shape = shape_of_disk(
        {.conventional = 1, .model = ZoneModel::host_managed, .max_open = 16, .max_active = 99});
    ASSERT_TRUE(shape);
    EXPECT_EQ(shape->parameters.zoned.max_open, 0U) << "the driver refuses more than there are zones";
    EXPECT_EQ(shape->parameters.zoned.max_active, 0U);
}

TEST(Shape, AnAppendFitsIntoAZone) {
    const auto shape =
        shape_of_disk({.zone_capacity = kibibytes(64), .conventional = 1, .model = ZoneModel::host_managed});
    ASSERT_TRUE(shape);
    EXPECT_EQ(shape->parameters.zoned.max_append_sectors, 128U);
}

TEST(Shape, OthersArePlainDisksThatDiscard) {
    const ZonedShape aware{.conventional = 1, .model = ZoneModel::host_aware};
    const ZonedShape conventional{.conventional = 16, .model = ZoneModel::host_managed};
    for (const auto& disk : {aware, conventional}) {
        const auto shape = shape_of_disk(disk);
        ASSERT_TRUE(shape);
        EXPECT_FALSE(shape->is_zoned());
        EXPECT_EQ(shape->parameters.types, parameters_basic | parameters_discard);
        EXPECT_EQ(shape->parameters.basic.chunk_sectors, 0U);
        EXPECT_EQ(shape->parameters.discard.max_segments, 1);
        EXPECT_EQ(shape->parameters.discard.granularity, 4096U);
        EXPECT_EQ(shape->features & recovery, recovery);
    }
}

TEST(Shape, ATranslatedDiskIsNotRecovered) {
    const auto disk = geometry({.conventional = 4, .model = ZoneModel::host_managed});
    const auto shape = shape_of(disk, mebibytes(40), true);
    ASSERT_TRUE(shape);
    EXPECT_FALSE(shape->is_zoned());
    EXPECT_EQ(shape->parameters.basic.disk_sectors, 40U * 2048) << "of what is served";
    EXPECT_EQ(shape->features & recovery, 0U);
}

TEST(Shape, ASmallerLastZoneIsRefusedOfAZonedDiskAlone) {
    const ZonedShape odd{.size = mebibytes(62), .conventional = 1, .model = ZoneModel::host_managed};
    const auto refused = shape_of_disk(odd);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);
    EXPECT_THAT(refused.error().message, HasSubstr("whole zones"));
    ZonedShape aware = odd;
    aware.model = ZoneModel::host_aware;
    EXPECT_TRUE(shape_of_disk(aware));
}

TEST(Shape, WhatTheKernelLacksIsNamedWithTheWayOut) {
    const auto zoned = shape_of_disk({.conventional = 1, .model = ZoneModel::host_managed}).value();
    const auto plain = shape_of_disk({.conventional = 1}).value();
    EXPECT_TRUE(check_features(zoned.features, zoned));
    const auto no_zones = check_features(zoned.features & ~std::uint64_t{feature_zoned}, zoned);
    ASSERT_FALSE(no_zones);
    EXPECT_EQ(no_zones.error().kind, ErrorKind::unsupported);
    EXPECT_THAT(no_zones.error().message, HasSubstr("6.6"));
    EXPECT_TRUE(check_features(plain.features, plain));
    const auto no_copy = check_features(feature_ioctl_encode, plain);
    ASSERT_FALSE(no_copy);
    EXPECT_THAT(no_copy.error().message, HasSubstr("6.5"));
}

}  // namespace
}  // namespace reflux::ublk
