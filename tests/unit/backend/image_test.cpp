#include "backend/image.h"

#include "backend/base/kernel_file.h"
#include "tests/support/temporary_folder.h"

#include <cstdlib>
#include <filesystem>

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using testing::HasSubstr;
constexpr auto preferred = ZoneType::sequential_write_preferred;

// 300 zones, 3 of them conventional: two zone table blocks.
ZonedGeometry geometry() {
    return ZonedGeometry::make({.size = kibibytes(64 * 300), .zone_size = kibibytes(64), .conventional = 3})
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
    void write_at(off_t offset, std::span<const std::byte> bytes) const {
        const auto fd = open_file(path_, O_WRONLY);
        ASSERT_TRUE(fd);
        ASSERT_EQ(::pwrite(fd->get(), bytes.data(), bytes.size(), offset),
                  static_cast<ssize_t>(bytes.size()));
    }
    [[nodiscard]] ImageBlock block_at(off_t offset) const {
        ImageBlock block{};
        const auto fd = open_file(path_, O_RDONLY);
        EXPECT_TRUE(fd);
        EXPECT_EQ(::pread(fd->get(), block.data(), block.size(), offset), static_cast<ssize_t>(block.size()));
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
        opened->zones.record_write({.offset = kibibytes(64 * 298), .length = {4096}});
        opened->zones.record_write({.offset = kibibytes(64 * 4), .length = kibibytes(64)});
        for (const std::uint64_t index : {0U, 1U}) {
            ASSERT_EQ(opened->image.write_table_block(index, encode_table_block(opened->zones, index)), 0);
        }
    }
    const auto opened = Image::open(path_);
    ASSERT_TRUE(opened);
    EXPECT_TRUE(opened->zones_changed);
    EXPECT_EQ(opened->zones.zone({298}),
              (Zone{.written = {4096}, .type = preferred, .condition = ZoneCondition::closed}));
    EXPECT_EQ(opened->zones.zone({4}).condition, ZoneCondition::full);
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

TEST_F(ImageTest, ANewerVersionIsNamedWhateverItsChecksumIs) {
    format();
    write_at(8, std::array{std::byte{7}});
    EXPECT_THAT(open_error(), HasSubstr("made by a newer refluxd: version 7, this one reads up to 1"));
}

TEST_F(ImageTest, AFlippedBitInAnyByteOfTheMetadataIsFound) {
    format();
    for (const off_t offset : {0, 4096, 8192}) {
        const ImageBlock good = block_at(offset);
        for (std::size_t i = 0; i < good.size(); ++i) {
            const std::array flipped{good[i] ^ std::byte{static_cast<unsigned char>(1U << (i % 8))}};
            write_at(offset + static_cast<off_t>(i), flipped);
            EXPECT_NE(open_error(), "opened") << "byte " << i << " of the block at " << offset;
            write_at(offset + static_cast<off_t>(i), std::array{good[i]});
        }
    }
    EXPECT_EQ(open_error(), "opened") << "all was put back";
}

TEST_F(ImageTest, AMisplacedTableBlockIsFound) {
    format();
    write_at(8192, block_at(4096));
    EXPECT_THAT(open_error(), HasSubstr("calls itself 0"));
}

TEST_F(ImageTest, ImpossibleZonesWithAGoodChecksumAreFound) {
    format();
    auto table = ZoneTable::fresh(
        ZonedGeometry::make({.size = kibibytes(64 * 300), .zone_size = kibibytes(64), .conventional = 4})
            .value());
    write_at(4096, encode_table_block(table, 0));
    EXPECT_THAT(open_error(), HasSubstr("zone 3 is impossible"));
}

TEST(ImageFormat, LaysTheDataAfterTheTable) {
    const auto large =
        ZonedGeometry::make({.size = kibibytes(64 * 100000), .zone_size = kibibytes(64)}).value();
    EXPECT_EQ(table_block_count(large), 393U);
    EXPECT_EQ(data_offset_for(large), mebibytes(2));
}

}  // namespace
}  // namespace reflux
