#include "backend/zone/tcmu_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using testing::HasSubstr;

std::string error_of(std::string_view text) {
    const auto config = parse_tcmu_config(text);
    return config ? "accepted" : config.error().message;
}

TEST(TcmuConfig, MeansWhatTcmuRunnerReadsInIt) {
    const auto config = parse_tcmu_config("zbc/model-HA/lba-4096/zsize-64/conv-8/open-16@/path/file");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(*config, (TcmuConfig{.path = "/path/file",
                                   .model = ZoneModel::host_aware,
                                   .logical_block_size = 4096,
                                   .zone_size = mebibytes(64),
                                   .conventional = 8,
                                   .open = 16}));
}

TEST(TcmuConfig, HasTcmuRunnersDefaults) {
    const TcmuConfig defaults{.path = "/path/file"};
    EXPECT_EQ(defaults.zone_size, mebibytes(256));
    EXPECT_EQ(defaults.model, ZoneModel::host_managed);
    EXPECT_EQ(parse_tcmu_config("zbc//path/file").value(), defaults);
    EXPECT_EQ(parse_tcmu_config("zbc/@/path/file").value(), defaults);
    EXPECT_EQ(parse_tcmu_config("zbc/lba-512/@/path/file").value(), defaults) << "a slash too many";
    EXPECT_EQ(parse_tcmu_config("zbc/conv-3@file").value(), (TcmuConfig{.path = "file", .conventional = 3}));
}

TEST(TcmuConfig, ThePathIsTakenAsItIs) {
    EXPECT_EQ(parse_tcmu_config("zbc/lba-512@/a@b/model-HA@").value().path, "/a@b/model-HA@");
    EXPECT_EQ(parse_tcmu_config("zbc//a@b").value().path, "/a@b");
    EXPECT_EQ(parse_tcmu_config("zbc/conv-1/conv-2@/x").value().conventional, 2U) << "the last counts";
}

TEST(TcmuConfig, MistakesAreNamed) {
    EXPECT_THAT(error_of(""), HasSubstr("zbc/[OPTION"));
    EXPECT_THAT(error_of("file/model-HM@/x"), HasSubstr("zbc/[OPTION"));
    EXPECT_THAT(error_of("zbc/model-HM/x"), HasSubstr("'@'"));
    EXPECT_THAT(error_of("zbc/model-HM@"), HasSubstr("path"));
    EXPECT_THAT(error_of("zbc/model-DM@/x"), HasSubstr("HM and HA"));
    EXPECT_THAT(error_of("zbc/model-HMx@/x"), HasSubstr("HM and HA"));
    EXPECT_THAT(error_of("zbc/lba-1024@/x"), HasSubstr("512 or 4096"));
    EXPECT_THAT(error_of("zbc/zsize-96@/x"), HasSubstr("power of two"));
    EXPECT_THAT(error_of("zbc/zsize-0@/x"), HasSubstr("power of two"));
    EXPECT_THAT(error_of("zbc/zsize-17592186044416@/x"), HasSubstr("power of two"));
    EXPECT_THAT(error_of("zbc/zsize-64MiB@/x"), HasSubstr("whole number"));
    EXPECT_THAT(error_of("zbc/conv-@/x"), HasSubstr("whole number"));
    EXPECT_THAT(error_of("zbc/conv--1@/x"), HasSubstr("whole number"));
    EXPECT_THAT(error_of("zbc/conv-99999999999999999999@/x"), HasSubstr("whole number"));
    EXPECT_THAT(error_of("zbc/open-0@/x"), HasSubstr("at least one"));
    EXPECT_THAT(error_of("zbc/size-5@/x"), HasSubstr("unknown option 'size-5'"));
    EXPECT_THAT(error_of("zbc/model-HM//lba-512@/x"), HasSubstr("unknown option ''"));
}

ZonedShape shape(std::string_view text, Bytes size) {
    return shape_of(parse_tcmu_config(text).value(), size).value();
}

TEST(TcmuConfig, TheSizeDecidesWhatIsCountedInZones) {
    const auto hundreds = shape("zbc/zsize-1@/x", mebibytes(300));
    EXPECT_EQ(hundreds.conventional, 3U) << "1%";
    EXPECT_EQ(hundreds.max_open, 128U);
    const auto few = shape("zbc/zsize-1@/x", mebibytes(20));
    EXPECT_EQ(few.conventional, 1U);
    EXPECT_EQ(few.max_open, 9U) << "half of 19";
    EXPECT_EQ(shape("zbc/zsize-1/conv-0/open-4@/x", mebibytes(20)).max_open, 4U);
    EXPECT_EQ(shape("zbc/zsize-1@/x", mebibytes(1)).max_open, 1U);
    EXPECT_EQ(shape("zbc/zsize-1/conv-2/lba-4096@/x", mebibytes(8) + Bytes{4096}),
              (ZonedShape{.size = mebibytes(8) + Bytes{4096},
                          .zone_size = mebibytes(1),
                          .conventional = 2,
                          .logical_block_size = 4096,
                          .model = ZoneModel::host_managed,
                          .max_open = 3}));
}

TEST(TcmuConfig, ADiskNeedsASequentialZone) {
    const auto none = shape_of(parse_tcmu_config("zbc/zsize-1/conv-8@/x").value(), mebibytes(8));
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().message, HasSubstr("conv-8"));
    EXPECT_FALSE(shape_of(parse_tcmu_config("zbc//x").value(), {1000}));
}

}  // namespace
}  // namespace reflux
