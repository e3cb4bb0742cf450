#include "backend/map/translated_disk.h"

#include "tests/support/seed.h"
#include "tests/unit/backend/map/memory_disk.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::map {
namespace {

using test::geometry_of;
using test::MemoryDisk;
using testing::HasSubstr;

std::string refusal(const ZonedShape& shape) {
    const auto layout = MapLayout::make(ZonedGeometry::make(shape).value());
    return layout ? "" : layout.error().message;
}

TEST(MapLayout, SaysWhatADiskLacks) {
    ZonedShape shape{.size = mebibytes(64),
                     .zone_size = mebibytes(1),
                     .conventional = 4,
                     .model = ZoneModel::host_managed};
    EXPECT_EQ(refusal(shape), "");
    shape.conventional = 3;
    EXPECT_THAT(refusal(shape), HasSubstr("3 conventional zones; this disk needs 4 at least"));
    shape.conventional = 62;
    EXPECT_THAT(refusal(shape), HasSubstr("2 whole sequential zones; it needs 3"));
    shape.conventional = 4;
    shape.max_active = 8;
    EXPECT_THAT(refusal(shape), HasSubstr("limit of active zones"));
    shape.max_active = 0;
    shape.zone_capacity = kibibytes(512);
    EXPECT_THAT(refusal(shape), HasSubstr("512KiB can be written"));
    shape.zone_capacity = {};
    shape.model = ZoneModel::host_aware;
    EXPECT_THAT(refusal(shape), HasSubstr("host-aware"));
}

TEST(MapLayout, MetadataGrowsWithTheDisk) {
    // 14 TB of zones of 256 MiB: 65536 blocks a zone, 2048 words of bitmaps a chunk.
    const auto layout = MapLayout::make(geometry_of(52156, 522, mebibytes(256))).value();
    EXPECT_EQ(layout.chunk_count(), 52156U - 522 - 2);
    EXPECT_EQ(layout.metadata_blocks(), (layout.chunk_count() * 2049 + 509) / 510);
    EXPECT_EQ(layout.random_first(), 2 * ((layout.metadata_blocks() + 65536) / 65536));
}

class TranslatedDiskTest : public testing::Test {
  protected:
    void SetUp() override { open(); }
    void open() {
        disk_.reset();
        auto made = TranslatedDisk::open(below_, layout_, below_.states(), {});
        ASSERT_TRUE(made) << made.error().message;
        disk_ = std::move(*made);
    }
    [[nodiscard]] std::string open_error() {
        disk_.reset();
        auto made = TranslatedDisk::open(below_, layout_, below_.states(), {});
        return made ? "" : made.error().message;
    }
    int write(std::uint64_t block, std::uint64_t count, int value) {
        std::vector<std::byte> bytes(count * block_size, static_cast<std::byte>(value));
        return disk_->write(block * block_size, bytes, std::span(scratch_).first<block_size>());
    }
    // The value of a block that is all of one.
    [[nodiscard]] int value(std::uint64_t block) {
        std::vector<std::byte> bytes(block_size);
        EXPECT_EQ(disk_->read(block * block_size, bytes), 0);
        EXPECT_EQ(std::ranges::count(bytes, bytes[0]), block_size);
        return std::to_integer<int>(bytes[0]);
    }
    [[nodiscard]] MapSummary map() const { return disk_->status().map; }

    static constexpr std::uint64_t chunk = 16;  // blocks
    ZonedGeometry geometry_ = geometry_of(16, 6);
    MapLayout layout_ = MapLayout::make(geometry_).value();
    MemoryDisk below_{geometry_};
    std::vector<std::byte> scratch_ = std::vector<std::byte>(block_size);
    std::unique_ptr<TranslatedDisk> disk_;
};

TEST_F(TranslatedDiskTest, AStreamGoesToSequentialZonesAndLeavesNothingToReclaim) {
    for (std::uint64_t block = 0; block < 3 * chunk; block += 8) {
        EXPECT_EQ(write(block, 8, 1), 0);
    }
    EXPECT_EQ(map().mapped, 3U);
    EXPECT_EQ(map().random_free, map().random_zones);
    EXPECT_FALSE(disk_->reclaim_once());
}

TEST_F(TranslatedDiskTest, AnOverwriteGoesToABufferUntilReclaimMergesIt) {
    EXPECT_EQ(write(0, 12, 1), 0);
    EXPECT_EQ(write(3, 2, 2), 0);
    EXPECT_EQ(map().buffered, 1U);
    EXPECT_EQ(write(12, 2, 3), 0) << "the stream goes on at the write pointer";
    EXPECT_TRUE(disk_->reclaim_once());
    EXPECT_EQ(map().buffered, 0U);
    EXPECT_EQ(map().awaiting_reset, 1U) << "the old data zone; reclaim has committed";
    EXPECT_TRUE(disk_->reclaim_once());
    EXPECT_EQ(map().awaiting_reset, 0U);
    EXPECT_EQ(map().sequential_free, map().sequential_zones - 1);
    const std::vector<int> wanted{1, 1, 1, 2, 2, 1, 1, 1, 1, 1, 1, 1, 3, 3, 0, 0};
    for (std::uint64_t block = 0; block < chunk; ++block) {
        EXPECT_EQ(value(block), wanted[block]) << block;
    }
}

TEST_F(TranslatedDiskTest, ABufferBeyondTheWritePointerIsAppended) {
    EXPECT_EQ(write(0, 8, 1), 0);
    EXPECT_EQ(write(10, 2, 2), 0);
    EXPECT_TRUE(disk_->reclaim_once());
    EXPECT_EQ(map().sequential_free, map().sequential_zones - 1) << "in place";
    EXPECT_EQ(map().awaiting_reset, 0U);
    EXPECT_EQ(value(9), 0);
    EXPECT_EQ(value(11), 2);
    EXPECT_EQ(disk_->status().reclaim.written_bytes, 4 * block_size);
}

TEST_F(TranslatedDiskTest, ADiscardedChunkGivesItsZonesBackAfterACommit) {
    EXPECT_EQ(write(0, 8, 1), 0);
    EXPECT_EQ(write(2, 1, 2), 0);
    EXPECT_EQ(disk_->discard(0, chunk * block_size), 0);
    EXPECT_EQ(value(2), 0);
    EXPECT_EQ(map().mapped, 0U);
    EXPECT_EQ(map().awaiting_commit, 2U);
    EXPECT_EQ(disk_->flush(), 0);
    EXPECT_EQ(map().awaiting_commit, 0U);
    EXPECT_EQ(map().random_free, map().random_zones);
    EXPECT_EQ(map().awaiting_reset, 1U);
}

TEST_F(TranslatedDiskTest, AFlushWithoutAChangeOfTheMapIsOneFlushBelow) {
    EXPECT_EQ(write(3, 1, 1), 0);
    EXPECT_EQ(disk_->flush(), 0);
    EXPECT_EQ(write(3, 1, 2), 0) << "in its random zone, in place";
    const int before = below_.flushes;
    EXPECT_EQ(disk_->flush(), 0);
    EXPECT_EQ(below_.flushes, before + 1);
}

TEST_F(TranslatedDiskTest, AFailedCommitIsMadeGoodByTheNext) {
    EXPECT_EQ(write(3, 1, 1), 0);
    below_.fail_flushes = 1;
    EXPECT_EQ(disk_->flush(), EIO);
    EXPECT_EQ(disk_->flush(), 0);
    open();
    EXPECT_EQ(value(3), 1);
}

TEST_F(TranslatedDiskTest, ACommitThatFailsAtItsEndLeavesAReadOnlyDisk) {
    EXPECT_EQ(write(3, 1, 1), 0);
    below_.fail_flushes = 2;
    EXPECT_EQ(disk_->flush(), EIO);
    EXPECT_EQ(disk_->status().broken, EIO);
    EXPECT_EQ(write(4, 1, 1), EIO);
    EXPECT_EQ(disk_->flush(), EIO);
    EXPECT_EQ(disk_->discard(0, block_size), EIO);
    EXPECT_EQ(value(3), 1);
}

TEST_F(TranslatedDiskTest, AWriteWaitsForReclaimToFreeAZone) {
    // A random zone for each of these chunks, and one write more.
    const std::uint64_t zones = map().random_zones;
    for (std::uint64_t i = 0; i < zones; ++i) {
        EXPECT_EQ(write(i * chunk + 3, 1, 1), 0);
    }
    EXPECT_EQ(map().random_free, 0U);
    std::jthread reclaim([this](const std::stop_token& stop) { disk_->reclaim_until(stop); });
    EXPECT_EQ(write(zones * chunk + 3, 1, 7), 0);
    reclaim = {};
    EXPECT_EQ(value(zones * chunk + 3), 7);
    for (std::uint64_t i = 0; i < zones; ++i) {
        EXPECT_EQ(value(i * chunk + 3), 1);
    }
    EXPECT_GT(disk_->status().reclaim.chunks, 0U);
}

TEST_F(TranslatedDiskTest, AWriteThatWaitsLearnsThatReclaimFails) {
    const std::uint64_t zones = map().random_zones;
    for (std::uint64_t i = 0; i < zones; ++i) {
        EXPECT_EQ(write(i * chunk + 3, 1, 1), 0);
    }
    below_.fail_writes = 1;
    std::jthread reclaim;
    const auto begin_when_it_waits = [&] {
        while (disk_->status().waiting_writes == 0) {
            std::this_thread::yield();
        }
        EXPECT_FALSE(disk_->reclaim_once());
    };
    reclaim = std::jthread(begin_when_it_waits);
    EXPECT_EQ(write(zones * chunk + 3, 1, 7), EIO);
}

TEST_F(TranslatedDiskTest, EveryDamagedByteOfTheMetadataIsFoundOrDoesNotMatter) {
    EXPECT_EQ(write(3, 1, 5), 0);
    EXPECT_EQ(disk_->flush(), 0);
    EXPECT_EQ(write(3 + chunk, 1, 6), 0);
    EXPECT_EQ(disk_->flush(), 0);
    disk_.reset();
    const auto intact = below_.bytes();
    const std::uint64_t set_bytes = (1 + layout_.metadata_blocks()) * block_size;
    for (std::size_t set = 0; set < metadata_sets; ++set) {
        // The headers of the blocks whole.
        const std::uint64_t step = reflux::test::is_long() ? 1 : 61;
        for (std::uint64_t at = 0; at < set_bytes; at += at % block_size < 72 ? 1 : step) {
            const std::uint64_t byte = layout_.set_offset(set).value + at;
            below_.bytes()[byte] ^= std::byte{0x10};
            auto made = TranslatedDisk::open(below_, layout_, below_.states(), {});
            if (made) {
                disk_ = std::move(*made);
                ASSERT_EQ(value(3), 5) << "set " << set << ", byte " << at;
            } else {
                ASSERT_THAT(made.error().message, HasSubstr("damaged"));
            }
            disk_.reset();
            below_.bytes() = intact;
        }
    }
}

TEST_F(TranslatedDiskTest, MissingMetadataOfAUsedDiskIsNoNewDisk) {
    EXPECT_EQ(write(0, 8, 1), 0);
    EXPECT_EQ(disk_->flush(), 0);
    std::fill_n(below_.bytes().begin(), 2 * layout_.zone_size().value, std::byte{});
    EXPECT_THAT(open_error(), HasSubstr("neither of its two sets is whole"));
}

TEST_F(TranslatedDiskTest, MetadataOfAnotherDiskIsRefused) {
    disk_.reset();
    const auto other = MapLayout::make(geometry_of(15, 6)).value();
    const auto made = TranslatedDisk::open(below_, other, below_.states(), {});
    ASSERT_FALSE(made);
    EXPECT_THAT(made.error().message, HasSubstr("another shape"));
}

}  // namespace
}  // namespace reflux::map
