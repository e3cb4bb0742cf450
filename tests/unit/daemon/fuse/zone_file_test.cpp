#include "daemon/fuse/zone_file.h"

#include <cerrno>

#include <fcntl.h>
#include <linux/falloc.h>

#include <gtest/gtest.h>

namespace reflux::fuse {
namespace {

constexpr std::uint64_t start = 10 << 20;
constexpr std::uint64_t capacity = 768 << 10;
constexpr std::uint64_t largest = 1 << 20;

ZoneDescriptor zone_of(ZoneType type, ZoneCondition condition, std::uint64_t written = 0) {
    const bool conventional = type == ZoneType::conventional;
    return {.start = {start},
            .length = {1 << 20},
            .capacity = {conventional ? 1 << 20 : capacity},
            .write_pointer = {conventional ? 0 : start + written},
            .has_write_pointer = !conventional,
            .type = type,
            .condition = condition};
}

const ZoneDescriptor conventional = zone_of(ZoneType::conventional, ZoneCondition::not_write_pointer);
const ZoneDescriptor empty = zone_of(ZoneType::sequential_write_required, ZoneCondition::empty);
const ZoneDescriptor half = zone_of(ZoneType::sequential_write_required, ZoneCondition::closed, 8192);
const ZoneDescriptor preferred = zone_of(ZoneType::sequential_write_preferred, ZoneCondition::closed, 8192);
const ZoneDescriptor full = zone_of(ZoneType::sequential_write_required, ZoneCondition::full, capacity);
const ZoneDescriptor read_only = zone_of(ZoneType::sequential_write_required, ZoneCondition::read_only, 8192);
const ZoneDescriptor offline = zone_of(ZoneType::sequential_write_required, ZoneCondition::offline, 8192);

Message read_of(std::uint64_t offset, std::uint64_t size) {
    return {.kind = MessageKind::read, .offset = offset, .size = size};
}
Message write_of(std::uint64_t offset, std::uint64_t size, bool append = false) {
    return {.kind = MessageKind::write, .offset = offset, .size = size, .append = append};
}
Message truncate_to(std::uint64_t size) {
    return {.kind = MessageKind::truncate, .size = size};
}

// "OPERATION OFFSET+LENGTH" on the zone, "errno N", or "nothing".
std::string planned(const Message& message, const ZoneDescriptor& zone) {
    const Plan plan = plan_for_zone(message, zone, 512, largest);
    if (plan.error != 0) {
        return "errno " + std::to_string(plan.error);
    }
    if (!plan.asks_the_disk) {
        return "nothing";
    }
    return std::string(to_string(plan.operation)) + " " + std::to_string(plan.offset - start) + "+" +
           std::to_string(plan.length);
}
std::string refused(int error) {
    return "errno " + std::to_string(error);
}

TEST(ZoneFile, ShowsTheWritePointerAsItsSizeAndWearInItsMode) {
    EXPECT_EQ(zone_file_size(conventional), mebibytes(1));
    EXPECT_EQ(zone_file_size(empty), Bytes{0});
    EXPECT_EQ(zone_file_size(half), Bytes{8192});
    EXPECT_EQ(zone_file_size(full), Bytes{capacity});
    EXPECT_EQ(zone_file_size(read_only), Bytes{8192});
    EXPECT_EQ(zone_file_size(offline), Bytes{0});
    EXPECT_EQ(zone_file_mode(conventional), 0600U);
    EXPECT_EQ(zone_file_mode(half), 0600U);
    EXPECT_EQ(zone_file_mode(read_only), 0400U);
    EXPECT_EQ(zone_file_mode(offline), 0U);
}

TEST(ZoneFile, ReadsEndAtItsSize) {
    EXPECT_EQ(planned(read_of(4096, 4096), half), "read 4096+4096");
    EXPECT_EQ(planned(read_of(4096, 8192), half), "read 4096+4096");
    EXPECT_EQ(planned(read_of(8192, 1), half), "nothing");
    EXPECT_EQ(planned(read_of(~std::uint64_t{0}, 4096), half), "nothing");
    EXPECT_EQ(planned(read_of(0, 4096), empty), "nothing");
    EXPECT_EQ(planned(read_of((1 << 20) - 1, 4096), conventional), "read 1048575+1");
    EXPECT_EQ(planned(read_of(0, 4096), read_only), "read 0+4096");
    EXPECT_EQ(planned(read_of(0, 4096), offline), refused(EPERM));
}

TEST(ZoneFile, AConventionalZoneIsWrittenAnywhereInItsSize) {
    EXPECT_EQ(planned(write_of(5, 7), conventional), "write 5+7");
    EXPECT_EQ(planned(write_of((1 << 20) - 1, 4096), conventional), "write 1048575+1");
    EXPECT_EQ(planned(write_of(1 << 20, 1), conventional), refused(EFBIG));
    EXPECT_EQ(planned(write_of(0, 512, true), conventional), refused(EINVAL)) << "as zonefs: no append";
    EXPECT_EQ(planned(truncate_to(0), conventional), refused(EPERM));
    EXPECT_EQ(planned(truncate_to(1 << 20), conventional), refused(EPERM));
    EXPECT_EQ(planned({.kind = MessageKind::open_truncated}, conventional), refused(EPERM));
}

TEST(ZoneFile, ASequentialZoneIsWrittenAtItsWritePointer) {
    EXPECT_EQ(planned(write_of(8192, 512), half), "write 8192+512");
    EXPECT_EQ(planned(write_of(4096, 512), half), "write 4096+512") << "the disk refuses it, in its turn";
    EXPECT_EQ(errno_of_zone_file(DeviceOperation::write, ZoneError::unaligned_write), EINVAL);
    EXPECT_EQ(errno_of_zone_file(DeviceOperation::write, ZoneError::invalid_field), EINVAL) << "full";
    EXPECT_EQ(errno_of_zone_file(DeviceOperation::append, ZoneError::invalid_field), EFBIG);
    EXPECT_EQ(planned(write_of(8192, 512), preferred), "write 8192+512");
    EXPECT_EQ(planned(write_of(4096, 512), preferred), refused(EINVAL)) << "the disk would take it";
    EXPECT_EQ(planned(write_of(8192, 100), preferred), refused(EINVAL)) << "no whole block";
    EXPECT_EQ(planned(write_of(8192, capacity), half), "write 8192+778240") << "short, at the capacity";
    EXPECT_EQ(planned(write_of(capacity, 512), half), refused(EFBIG));
    EXPECT_EQ(planned(write_of(capacity, 512), full), refused(EFBIG));
    // The kernel has cut it: less than a page remains to the largest.
    EXPECT_EQ(
        planned(write_of(0, 786400), zone_of(ZoneType::sequential_write_required, ZoneCondition::empty)),
        "write 0+786400");
    const Plan cut = plan_for_zone(write_of(0, 8192 - 48), empty, 512, 8192);
    EXPECT_EQ(cut.length, 8192U - 512);
}

TEST(ZoneFile, AppendsGoWhereThePointerIsWhateverTheKernelBelieves) {
    EXPECT_EQ(planned(write_of(0, 512, true), half), "append 0+512");
    EXPECT_EQ(planned(write_of(1 << 30, 512, true), half), "append 0+512");
    EXPECT_EQ(planned(write_of(0, 1 << 20, true), half), "append 0+778240");
    EXPECT_EQ(planned(write_of(0, 512, true), full), refused(EFBIG));
}

TEST(ZoneFile, TruncatesAreResetAndFinish) {
    EXPECT_EQ(planned(truncate_to(0), half), "reset_zone 0+0");
    EXPECT_EQ(planned(truncate_to(0), full), "reset_zone 0+0");
    EXPECT_EQ(planned(truncate_to(0), empty), "nothing");
    EXPECT_EQ(planned({.kind = MessageKind::open_truncated}, half), "reset_zone 0+0");
    EXPECT_EQ(planned(truncate_to(capacity), half), "finish_zone 0+0");
    EXPECT_EQ(planned(truncate_to(capacity), empty), "finish_zone 0+0");
    EXPECT_EQ(planned(truncate_to(capacity), full), "nothing");
    for (const auto& zone : {empty, half, full, conventional}) {
        for (const std::uint64_t size : {std::uint64_t{0}, zone_file_size(zone).value, capacity}) {
            EXPECT_EQ(planned({.kind = MessageKind::truncate, .size = size, .by_handle = true}, zone),
                      refused(EPERM))
                << size << ": may be the kernel's own";
        }
    }
    EXPECT_EQ(planned(truncate_to(8192), half), refused(EPERM));
    EXPECT_EQ(planned(truncate_to(capacity + 512), half), refused(EPERM));
}

TEST(ZoneFile, WornZonesLetNothingIntoTheirNeighbours) {
    for (const ZoneDescriptor& worn : {read_only, offline}) {
        EXPECT_EQ(planned(truncate_to(0), worn), refused(EPERM));
        EXPECT_EQ(planned(truncate_to(capacity), worn), refused(EPERM));
        EXPECT_EQ(planned(write_of(1 << 20, 512), worn), refused(EFBIG)) << "that is the next zone";
        EXPECT_EQ(planned(write_of(8192, 1 << 20), worn), "write 8192+778240") << "the disk says EIO";
    }
    EXPECT_EQ(errno_of_zone_file(DeviceOperation::write, ZoneError::read_only), EIO);
}

TEST(DiskFile, ReadsEndAtItsEndAndHolesCanBePunched) {
    const Bytes size{8192};
    const auto fallocate = [&](unsigned how, std::uint64_t offset, std::uint64_t length) {
        return plan_for_disk({.kind = MessageKind::fallocate, .offset = offset, .size = length, .how = how},
                             size);
    };
    EXPECT_EQ(plan_for_disk(read_of(0, 4096), size).length, 4096U);
    EXPECT_EQ(plan_for_disk(read_of(6144, 4096), size).length, 2048U);
    EXPECT_FALSE(plan_for_disk(read_of(8192, 4096), size).asks_the_disk);
    EXPECT_FALSE(plan_for_disk(read_of(~std::uint64_t{0}, 4096), size).asks_the_disk);
    EXPECT_EQ(plan_for_disk(write_of(6144, 4096), size).length, 4096U) << "the disk refuses it whole";
    const Plan punch = fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 1 << 20);
    EXPECT_EQ(punch.operation, DeviceOperation::discard);
    EXPECT_EQ(punch.offset, 4096U);
    EXPECT_EQ(punch.length, 4096U);
    EXPECT_EQ(fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 20, 1).length, 0U);
    EXPECT_EQ(fallocate(FALLOC_FL_ZERO_RANGE, 0, 512).operation, DeviceOperation::discard);
    EXPECT_EQ(fallocate(0, 0, 512).error, EOPNOTSUPP);
    EXPECT_EQ(fallocate(FALLOC_FL_COLLAPSE_RANGE, 0, 512).error, EOPNOTSUPP);
}

}  // namespace
}  // namespace reflux::fuse
