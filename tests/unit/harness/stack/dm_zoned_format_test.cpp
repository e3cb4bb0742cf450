// Figures worked out by hand from the kernel's description of the format; the checksums by zlib.
#include "harness/stack/dm_zoned_format.h"

#include "backend/base/little_endian.h"

#include <algorithm>
#include <iterator>
#include <span>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::stack {
namespace {

using testing::HasSubstr;

std::vector<DeviceZone> zones_of(Bytes zone_size, unsigned count, unsigned conventional) {
    std::vector<DeviceZone> zones(count);
    const std::uint64_t sectors = zone_size.value / sector_size;
    for (unsigned id = 0; id < count; ++id) {
        zones[id] = {.start = {id * sectors},
                     .length = {sectors},
                     .capacity = {sectors},
                     .conventional = id < conventional};
    }
    return zones;
}

DmZonedLayout layout_of(const std::vector<DeviceZone>& zones, const DmZonedOptions& options = {}) {
    const auto layout = dm_zoned_layout(zones, options);
    EXPECT_TRUE(layout) << layout.error().message;
    return layout.value_or(DmZonedLayout{});
}

std::string refusal_of(const std::vector<DeviceZone>& zones, const DmZonedOptions& options = {}) {
    const auto layout = dm_zoned_layout(zones, options);
    return layout ? "taken" : layout.error().message;
}

// 64 zones of 4096 blocks, each with a bitmap of 512 bytes in a block of its own.
TEST(DmZonedLayoutTest, SmallZonesHaveABlockOfBitmapEach) {
    const auto layout = layout_of(zones_of(mebibytes(16), 64, 8));
    EXPECT_EQ(layout.zone_blocks, 4096U);
    EXPECT_EQ(layout.zones, 64U);
    EXPECT_EQ(layout.reserved_sequential, 7U) << "an eighth of 56";
    EXPECT_EQ(layout.metadata_zones, 1U);
    EXPECT_EQ(layout.chunks, 64U - 2 - 7);
    EXPECT_EQ(layout.map_blocks, 1U);
    EXPECT_EQ(layout.bitmap_blocks, 64U);
    EXPECT_EQ(layout.metadata_blocks(), 66U);
    EXPECT_EQ(layout.set_block(0), 0U);
    EXPECT_EQ(layout.set_block(1), 4096U);
    EXPECT_EQ(bytes_of(layout.size()), mebibytes(55 * 16));
}

// A disk of 14 TB: 65536 blocks in a zone are two blocks of bitmap; 52136 chunks are 101.8 blocks of map.
TEST(DmZonedLayoutTest, ALargeDisk) {
    const auto layout = layout_of(zones_of(mebibytes(256), 52156, 524));
    EXPECT_EQ(layout.bitmap_blocks, 104312U);
    EXPECT_EQ(layout.reserved_sequential, 16U);
    EXPECT_EQ(layout.map_blocks, 102U);
    EXPECT_EQ(layout.metadata_blocks(), 104415U);
    EXPECT_EQ(layout.metadata_zones, 2U) << "1.6 zones";
    EXPECT_EQ(layout.chunks, 52136U);
    EXPECT_EQ(layout.set_block(1), 131072U);
}

// 64 blocks in a zone: superblock, a block of map and 128 of bitmaps take three zones.
TEST(DmZonedLayoutTest, MetadataTakesAsManyZonesAsItNeeds) {
    const auto layout = layout_of(zones_of(kibibytes(256), 128, 16));
    EXPECT_EQ(layout.metadata_blocks(), 130U);
    EXPECT_EQ(layout.metadata_zones, 3U);
    EXPECT_EQ(layout.chunks, 128U - 6 - 14);
    EXPECT_EQ(layout.set_block(1), 192U);
    EXPECT_THAT(refusal_of(zones_of(kibibytes(256), 128, 6)),
                HasSubstr("takes 6 conventional zones in a row"));
    EXPECT_EQ(refusal_of(zones_of(kibibytes(256), 128, 7)), "taken");
}

TEST(DmZonedLayoutTest, MetadataBeginsInTheFirstUsableConventionalZone) {
    auto zones = zones_of(mebibytes(16), 32, 0);
    for (const unsigned id : {2U, 3U, 4U, 5U, 9U}) {
        zones[id].conventional = true;
    }
    zones[2].usable = false;
    const auto layout = layout_of(zones);
    EXPECT_EQ(layout.first_block, 3U * 4096);
    EXPECT_EQ(layout.chunks, 31U - 2 - 3);
    zones[4].usable = false;
    EXPECT_THAT(refusal_of(zones), HasSubstr("it has 3, 1 of them in a row"));
}

TEST(DmZonedLayoutTest, ASmallerLastZoneIsLeftOutButCounted) {
    auto zones = zones_of(mebibytes(16), 33, 4);
    zones.back().length = {8};
    zones.back().capacity = {8};
    const auto layout = layout_of(zones, {.reserved_sequential = 2});
    EXPECT_EQ(layout.zones, 33U);
    EXPECT_EQ(layout.bitmap_blocks, 33U);
    EXPECT_EQ(layout.chunks, 32U - 2 - 2);
}

TEST(DmZonedLayoutTest, WhatTheKernelRefusesIsRefused) {
    EXPECT_THAT(refusal_of({}), HasSubstr("its zones have 0 sectors"));
    EXPECT_THAT(refusal_of(zones_of(mebibytes(48), 16, 4)), HasSubstr("no power of two"));
    EXPECT_THAT(refusal_of(zones_of(mebibytes(16), 16, 0)), HasSubstr("it has 0, 0 of them in a row"));
    EXPECT_THAT(refusal_of(zones_of(mebibytes(16), 16, 4), {.reserved_sequential = 0}),
                HasSubstr("0 of its"));
    EXPECT_THAT(refusal_of(zones_of(mebibytes(16), 16, 4), {.reserved_sequential = 12}),
                HasSubstr("12 of its 12 sequential zones"));
    auto zones = zones_of(mebibytes(16), 16, 4);
    zones[7].capacity = {1000};
    EXPECT_THAT(refusal_of(zones), HasSubstr("zone 7 has a capacity below its size"));
    zones = zones_of(mebibytes(16), 16, 4);
    zones[7].length = {8};
    EXPECT_THAT(refusal_of(zones), HasSubstr("zone 7 has another size"));
}

class DmZonedSuperblockTest : public testing::Test {
  protected:
    DmZonedSuperblockTest() {
        identity_.uuid.fill(std::byte{0x11});
        identity_.device_uuid.fill(std::byte{0x22});
    }

    DmZonedLayout layout_ = layout_of(zones_of(mebibytes(16), 64, 8));
    DmZonedIdentity identity_{.label = "reflux"};
};

TEST_F(DmZonedSuperblockTest, HasItsFieldsWhereTheKernelReadsThem) {
    const auto block = dm_zoned_superblock(layout_, identity_, 1);
    ASSERT_TRUE(block);
    const std::span<const std::byte> bytes = block->bytes;
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), 4), "DBZD");
    EXPECT_EQ(get<std::uint32_t>(bytes, 4), 2U);
    EXPECT_EQ(get<std::uint64_t>(bytes, 8), 1U);
    EXPECT_EQ(get<std::uint64_t>(bytes, 16), 4096U);
    const std::array<std::uint32_t, 6> counts{66, 7, 55, 1, 64, 0x137DB2B4};
    for (std::size_t i = 0; i < counts.size(); ++i) {
        EXPECT_EQ(get<std::uint32_t>(bytes, 24 + 4 * i), counts[i]) << i;
    }
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(&bytes[48]), 7), std::string("reflux\0", 7));
    EXPECT_EQ(bytes[80], std::byte{0x11});
    EXPECT_EQ(bytes[111], std::byte{0x22});
    EXPECT_TRUE(std::all_of(std::next(bytes.begin(), 112), bytes.end(),
                            [](std::byte byte) { return byte == std::byte{0}; }));
}

TEST_F(DmZonedSuperblockTest, ReadsBackItsChunksAndNoOthers) {
    auto block = dm_zoned_superblock(layout_, identity_, 0);
    ASSERT_TRUE(block);
    EXPECT_EQ(get<std::uint32_t>(block->bytes, 44), 0xCECDC4C6U);
    EXPECT_EQ(dm_zoned_chunks(*block), 55U);
    block->bytes[200] ^= std::byte{1};
    EXPECT_THAT(dm_zoned_chunks(*block).error().message, HasSubstr("checksum"));
    EXPECT_THAT(dm_zoned_chunks(MetadataBlock{}).error().message, HasSubstr("no dm-zoned superblock"));
}

TEST_F(DmZonedSuperblockTest, ALabelHasRoomForItsEnd) {
    identity_.label = std::string(31, 'x');
    EXPECT_TRUE(dm_zoned_superblock(layout_, identity_, 0));
    identity_.label += 'x';
    EXPECT_FALSE(dm_zoned_superblock(layout_, identity_, 0));
}

TEST(DmZonedMapTest, NoChunkHasAZone) {
    const auto block = dm_zoned_unmapped();
    EXPECT_EQ(get<std::uint64_t>(block.bytes, 0), ~0ULL);
    EXPECT_EQ(get<std::uint64_t>(block.bytes, 4088), ~0ULL);
}

}  // namespace
}  // namespace reflux::stack
