#include "daemon/ublk/plan.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace reflux::ublk {
namespace {

constexpr std::uint64_t largest = 1 << 20;
constexpr std::uint32_t fua = 1U << 13U;  // UBLK_IO_F_FUA: flags stand beside the operation

Plan plan(IoOperation operation, std::uint64_t first_sector, std::uint32_t sectors) {
    return plan_for({.operation_and_flags = static_cast<std::uint32_t>(operation) | fua,
                     .sectors = sectors,
                     .first_sector = first_sector},
                    largest);
}

TEST(Plan, DataGoesTheWayOfItsOperation) {
    const Plan read = plan(IoOperation::read, 8, 16);
    EXPECT_EQ(read.error, 0);
    EXPECT_EQ(read.operation, DeviceOperation::read);
    EXPECT_EQ(read.transfer, Transfer::to_kernel);
    EXPECT_EQ(read.offset, 4096U);
    EXPECT_EQ(read.length, 8192U);
    const Plan write = plan(IoOperation::write, 1ULL << 40U, 1);
    EXPECT_EQ(write.operation, DeviceOperation::write);
    EXPECT_EQ(write.transfer, Transfer::from_kernel);
    EXPECT_EQ(write.offset, 1ULL << 49U) << "sectors of a large disk are not cut to 32 bits";
    const Plan append = plan(IoOperation::zone_append, 4096, 8);
    EXPECT_EQ(append.operation, DeviceOperation::append);
    EXPECT_EQ(append.transfer, Transfer::from_kernel);
}

TEST(Plan, MoreThanABufferIsRefused) {
    EXPECT_EQ(plan(IoOperation::write, 0, largest / sector_size).error, 0);
    EXPECT_EQ(plan(IoOperation::write, 0, largest / sector_size + 1).error, EINVAL);
    EXPECT_EQ(plan(IoOperation::read, 0, 0xffffffff).error, EINVAL);
}

TEST(Plan, ZonesAreManaged) {
    for (const auto& [operation, wanted] :
         {std::pair(IoOperation::zone_open, DeviceOperation::open_zone),
          std::pair(IoOperation::zone_close, DeviceOperation::close_zone),
          std::pair(IoOperation::zone_finish, DeviceOperation::finish_zone),
          std::pair(IoOperation::zone_reset, DeviceOperation::reset_zone)}) {
        const Plan one = plan(operation, 2048, 2048);
        EXPECT_EQ(one.error, 0);
        EXPECT_EQ(one.operation, wanted);
        EXPECT_EQ(one.offset, 1U << 20U);
        EXPECT_FALSE(one.all_zones);
        EXPECT_EQ(one.transfer, Transfer::none);
    }
    const Plan all = plan(IoOperation::zone_reset_all, 0, 0);
    EXPECT_EQ(all.operation, DeviceOperation::reset_zone);
    EXPECT_TRUE(all.all_zones);
}

TEST(Plan, ZeroesAreWrittenByDiscarding) {
    for (const auto operation : {IoOperation::discard, IoOperation::write_zeroes}) {
        const Plan discard = plan(operation, 8, 0x400000);  // of 2 GiB: there is no buffer for it
        EXPECT_EQ(discard.error, 0);
        EXPECT_EQ(discard.operation, DeviceOperation::discard);
        EXPECT_EQ(discard.offset, 4096U);
        EXPECT_EQ(discard.length, 2ULL << 30U);
        EXPECT_EQ(discard.transfer, Transfer::none);
    }
    EXPECT_EQ(plan(IoOperation::flush, 0, 0).operation, DeviceOperation::flush);
}

TEST(Plan, WhatIsUnknownIsNotSupported) {
    EXPECT_EQ(plan(IoOperation::write_same, 0, 8).error, EOPNOTSUPP);
    EXPECT_EQ(plan(static_cast<IoOperation>(0x7f), 0, 8).error, EOPNOTSUPP);
}

TEST(Plan, ResultsAreBytesOrErrors) {
    EXPECT_EQ(result_of(plan(IoOperation::read, 0, 8), 0, largest), 4096);
    EXPECT_EQ(result_of(plan(IoOperation::write, 0, 8), ENOSPC, largest), -ENOSPC);
    EXPECT_EQ(result_of(plan(IoOperation::discard, 0, 8), 0, largest), 0);
    EXPECT_EQ(result_of(plan(IoOperation::zone_reset, 0, 8), 0, largest), 0);
    const Plan report = plan(IoOperation::report_zones, 4096, 3);
    EXPECT_TRUE(report.reports_zones);
    EXPECT_EQ(report.offset, 2U << 20U);
    EXPECT_EQ(report.zones, 3U);
    EXPECT_EQ(result_of(report, 0, largest), static_cast<std::int32_t>(largest))
        << "less than the report's buffer would have the driver ask for the rest";
}

TEST(Plan, DataOffsetsAreTheDrivers) {
    // UBLKSRV_IO_BUF_OFFSET + (queue << 41 | tag << 25)
    EXPECT_EQ(data_offset(0, 0), 0x80000000U);
    EXPECT_EQ(data_offset(0, 1), 0x80000000U + (1ULL << 25U));
    EXPECT_EQ(data_offset(3, 63), 0x80000000U + (3ULL << 41U) + (63ULL << 25U));
    EXPECT_EQ(descriptors_offset(0), 0U);
    EXPECT_EQ(descriptors_offset(2), 2U * 4096 * 24);
    // As <linux/ublk_cmd.h> has them since 6.4.
    EXPECT_EQ(command_add, 0xc0207504U);
    EXPECT_EQ(command_get_features, 0x80207513U);
    EXPECT_EQ(io_commit_and_fetch, 0xc0107521U);
}

ZoneDescriptor descriptor(ZoneCondition condition, ZoneType type = ZoneType::sequential_write_required) {
    return {.start = mebibytes(4),
            .length = mebibytes(2),
            .capacity = mebibytes(1),
            .write_pointer = mebibytes(4) + Bytes{8192},
            .has_write_pointer = type != ZoneType::conventional,
            .type = type,
            .condition = condition,
            .reset_recommended = true};
}

TEST(Plan, ReportedZonesAreTheBlockLayers) {
    const blk_zone open = to_blk_zone(descriptor(ZoneCondition::implicit_open));
    EXPECT_EQ(open.start, 8192U);
    EXPECT_EQ(open.len, 4096U);
    EXPECT_EQ(open.capacity, 2048U);
    EXPECT_EQ(open.wp, 8192U + 16);
    EXPECT_EQ(open.type, BLK_ZONE_TYPE_SEQWRITE_REQ);
    EXPECT_EQ(open.cond, BLK_ZONE_COND_IMP_OPEN);
    EXPECT_EQ(open.reset, 1);
    EXPECT_EQ(open.non_seq, 0);
    EXPECT_EQ(to_blk_zone(descriptor(ZoneCondition::full)).wp, 8192U + 4096);
    EXPECT_EQ(to_blk_zone(descriptor(ZoneCondition::offline)).wp, ~0ULL);
    const blk_zone conventional =
        to_blk_zone(descriptor(ZoneCondition::not_write_pointer, ZoneType::conventional));
    EXPECT_EQ(conventional.type, BLK_ZONE_TYPE_CONVENTIONAL);
    EXPECT_EQ(conventional.cond, BLK_ZONE_COND_NOT_WP);
    EXPECT_EQ(conventional.wp, 8192U + 4096);
}

}  // namespace
}  // namespace reflux::ublk
