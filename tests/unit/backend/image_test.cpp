#include "backend/image.h"

#include "backend/base/kernel_file.h"
#include "backend/image_table.h"
#include "tests/support/temporary_folder.h"

#include <array>

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using testing::HasSubstr;
constexpr auto preferred = ZoneType::sequential_write_preferred;

// 300 zones, 3 of them conventional: two zone table blocks.
ZonedGeometry geometry(std::uint64_t conventional = 3) {
    return ZonedGeometry::make(
               {.size = kibibytes(64 * 300), .zone_size = kibibytes(64), .conventional = conventional})
        .value();
}

class ImageTest : public testing::Test {
  protected:
    void format() const {
        const auto made = format_image(path_, geometry(), false);
        ASSERT_TRUE(made) << made.error().message;
    }
    // The message that open fails with; it must be the user's error.
    [[nodiscard]] std::string open_error() const {
        const auto opened = Image::open(path_);
        if (opened) {
            return "opened";
        }
        EXPECT_EQ(opened.error().kind, ErrorKind::invalid_input) << opened.error().message;
        return opened.error().message;
    }
    void write_at(Bytes offset, std::span<const std::byte> bytes) const {
        const auto fd = open_file(path_, O_WRONLY);
        ASSERT_TRUE(fd);
        ASSERT_EQ(::pwrite(fd->get(), bytes.data(), bytes.size(), static_cast<off_t>(offset.value)),
                  static_cast<ssize_t>(bytes.size()));
    }
    void write_superblocks(Bytes offset_in_block, std::byte byte) const {
        for (std::size_t copy = 0; copy < superblock_copies; ++copy) {
            write_at(superblock_offset(copy) + offset_in_block, std::array{byte});
        }
    }
    [[nodiscard]] ImageBlock block_at(Bytes offset) const {
        ImageBlock block{};
        const auto fd = open_file(path_, O_RDONLY);
        EXPECT_TRUE(fd);
        EXPECT_EQ(::pread(fd->get(), block.data(), block.size(), static_cast<off_t>(offset.value)),
                  static_cast<ssize_t>(block.size()));
        return block;
    }

    test::TemporaryFolder folder_;
    std::string path_ = folder_ / "image";
};

TEST_F(ImageTest, WhatWasFormattedOpens) {
    format();
    struct stat status {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_size, (1 << 20) + 64 * 1024 * 300);
    EXPECT_LT(status.st_blocks * 512, 64 * 1024) << "the data is a hole";
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    const auto opened = Image::open(path_);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_FALSE(opened->image.was_unclean());
    EXPECT_EQ(opened->image.superblock().data_offset, mebibytes(1));
    EXPECT_EQ(opened->zones.geometry().zone_count(), 300U);
    EXPECT_EQ(opened->zones.zone({2}), fresh_zone(ZoneType::conventional));
    EXPECT_EQ(opened->zones.zone({299}), fresh_zone(preferred));
    EXPECT_THAT(opened->findings.repairable, testing::IsEmpty());
}

TEST_F(ImageTest, KeepsTheWholeShape) {
    const ZonedShape shape{.size = mebibytes(10),
                           .zone_size = mebibytes(1),
                           .zone_capacity = kibibytes(768),
                           .conventional = 2,
                           .logical_block_size = 4096,
                           .model = ZoneModel::host_managed,
                           .max_open = 3,
                           .max_active = 5,
                           .unrestricted_reads = false};
    ASSERT_TRUE(format_image(path_, ZonedGeometry::make(shape).value(), false));
    const auto opened = Image::open(path_);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->zones.geometry().shape(), shape);
}

TEST_F(ImageTest, FormatOverwritesOnlyByForce) {
    format();
    const auto again = format_image(path_, geometry(), false);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(again.error().message, HasSubstr("--force"));
    EXPECT_TRUE(format_image(path_, geometry(), true));
    const auto folder = format_image(folder_.path(), geometry(), true);
    ASSERT_FALSE(folder);
    EXPECT_EQ(folder.error().kind, ErrorKind::invalid_input);
    const auto device = format_image("/dev/null", geometry(), true);
    ASSERT_FALSE(device);
    EXPECT_THAT(device.error().message, HasSubstr("not a regular file"));
}

TEST_F(ImageTest, OneAtATime) {
    format();
    const auto first = Image::open(path_);
    ASSERT_TRUE(first);
    EXPECT_THAT(open_error(), HasSubstr("in use"));
    const auto formatted = format_image(path_, geometry(), true);
    ASSERT_FALSE(formatted);
    EXPECT_THAT(formatted.error().message, HasSubstr("in use"));
    const auto inspected = inspect_image(path_);
    ASSERT_FALSE(inspected);
    EXPECT_THAT(inspected.error().message, HasSubstr("in use"));
}

TEST_F(ImageTest, CleanFlagFollowsUse) {
    format();
    {
        auto opened = Image::open(path_);
        ASSERT_TRUE(opened);
        ASSERT_TRUE(opened->image.mark_in_use());
    }
    {
        auto opened = Image::open(path_);
        ASSERT_TRUE(opened);
        EXPECT_TRUE(opened->image.was_unclean()) << "the first one did not close";
        ASSERT_TRUE(opened->image.close());
    }
    const auto opened = Image::open(path_);
    ASSERT_TRUE(opened);
    EXPECT_FALSE(opened->image.was_unclean());
}

TEST_F(ImageTest, ZonesAreKeptAndClosedByThePowerCycle) {
    format();
    {
        auto opened = Image::open(path_);
        ASSERT_TRUE(opened);
        std::mutex mutex;
        ImageTable table(opened->image.file(), std::move(opened->table), opened->zones, mutex);
        opened->zones.record_write({.offset = kibibytes(64 * 298), .length = {4096}});
        table.mark_changed({298}, {298});
        ASSERT_EQ(table.commit(), 0);
        opened->zones.record_write({.offset = kibibytes(64 * 4), .length = kibibytes(64)});
        table.mark_changed({4}, {4});
        ASSERT_EQ(table.commit(), 0);
        ASSERT_EQ(table.commit(), 0) << "nothing to do";
    }
    const auto opened = Image::open(path_);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->zones.zone({298}),
              (Zone{.written = {4096}, .type = preferred, .condition = ZoneCondition::closed}));
    EXPECT_EQ(opened->zones.zone({4}).condition, ZoneCondition::full);
    EXPECT_EQ(opened->table.sequence, 3U) << "format is the first";
}

TEST_F(ImageTest, MissingAndShortFilesAreNamed) {
    EXPECT_THAT(open_error(), HasSubstr("refluxd format"));
    ASSERT_TRUE(replace_file(path_, "short"));
    EXPECT_THAT(open_error(), HasSubstr("5 bytes"));
    ASSERT_TRUE(replace_file(path_, std::string(100000, 'x')));
    EXPECT_THAT(open_error(), HasSubstr("foreign magic"));
}

TEST_F(ImageTest, ATruncatedImageTellsBothSizes) {
    format();
    ASSERT_EQ(::truncate(path_.c_str(), 2000000), 0);
    EXPECT_THAT(open_error(),
                testing::AllOf(HasSubstr("truncated"), HasSubstr("20709376"), HasSubstr("2000000")));
    ASSERT_EQ(::truncate(path_.c_str(), 30000000), 0);
    EXPECT_THAT(open_error(), HasSubstr("wrong size"));
}

TEST_F(ImageTest, OtherVersionsAreNamedWhateverTheirChecksumIs) {
    format();
    write_superblocks({8}, std::byte{7});
    EXPECT_THAT(open_error(), HasSubstr("made by a newer refluxd: version 7, this one reads 2"));
    write_superblocks({8}, std::byte{1});
    EXPECT_THAT(open_error(), HasSubstr("made by an older refluxd: version 1"));
    write_superblocks({8}, std::byte{0});
    EXPECT_THAT(open_error(), HasSubstr("checksum"));
}

TEST_F(ImageTest, OneGoodSuperblockIsEnough) {
    format();
    write_at({0}, std::array<std::byte, image_block_size>{});
    const auto opened = Image::open(path_);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(opened->image.was_unclean()) << "for nobody can tell";
    EXPECT_THAT(opened->findings.repairable, testing::ElementsAre(HasSubstr("superblock copy 0")));
}

TEST_F(ImageTest, ABlockWithoutAnIntactCopyIsFatalAndEachIsNamed) {
    format();
    for (const std::uint64_t index : {0U, 1U}) {
        for (std::size_t i = 0; i < table_slots * table_copies; ++i) {
            write_at(table_offset(index, i / table_copies, i % table_copies) + Bytes{100},
                     std::array{std::byte{1}});
        }
    }
    EXPECT_THAT(open_error(),
                testing::AllOf(HasSubstr("zone table block 0 has no intact copy"), HasSubstr("1 more")));
    const auto inspected = inspect_image(path_);
    ASSERT_TRUE(inspected);
    EXPECT_EQ(inspected->findings.fatal.size(), 2U);
    EXPECT_FALSE(repair_image(path_));
}

TEST_F(ImageTest, AMisplacedTableBlockDoesNotCount) {
    format();
    for (std::size_t i = 0; i < table_slots * table_copies; ++i) {
        write_at(table_offset(1, i / table_copies, i % table_copies), block_at(table_offset(0, 0, 0)));
    }
    EXPECT_THAT(open_error(), HasSubstr("block 1 has no intact copy"));
}

TEST_F(ImageTest, ImpossibleZonesWithAGoodChecksumAreFound) {
    format();
    ImageBlock block{};
    encode_table_block(ZoneTable::fresh(geometry(4)), 0, block);
    seal_table_block(block, 2);
    write_at(table_offset(0, 1, 0), block);
    EXPECT_THAT(open_error(), HasSubstr("zone 3 is impossible"));
}

TEST_F(ImageTest, RepairWritesDamagedCopiesAnewAndNothingElse) {
    format();
    {
        auto opened = Image::open(path_);
        ASSERT_TRUE(opened->image.mark_in_use());
    }
    write_at(superblock_offset(1), std::array{std::byte{'x'}});
    write_at(table_offset(1, 0, 1) + Bytes{50}, std::array{std::byte{'x'}});
    const auto repaired = repair_image(path_);
    ASSERT_TRUE(repaired) << repaired.error().message;
    EXPECT_EQ(repaired->repairable.size(), 2U);
    const auto inspected = inspect_image(path_);
    ASSERT_TRUE(inspected && inspected->contents);
    EXPECT_THAT(inspected->findings.repairable, testing::IsEmpty());
    EXPECT_TRUE(inspected->contents->was_unclean) << "that is no damage";
}

TEST(ImageFormat, LaysTheDataAfterTheTable) {
    const auto large =
        ZonedGeometry::make({.size = kibibytes(64 * 100000), .zone_size = kibibytes(64)}).value();
    EXPECT_EQ(table_block_count(large), 393U);
    EXPECT_EQ(data_offset_for(large), mebibytes(7));
}

}  // namespace
}  // namespace reflux
