// Images that were cut off anywhere, and flipped bits in every byte of the metadata.
#include "backend/image.h"
#include "backend/image_table.h"
#include "tests/support/seed.h"
#include "tests/unit/backend/paged_file.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using test::PagedFile;

// 300 zones in two zone table blocks, some of them written; the newest state of the first block is in one
// slot, that of the second in the other.
class ImageDamage : public testing::TestWithParam<bool> {
  protected:
    void SetUp() override {
        const auto geometry =
            ZonedGeometry::make({.size = kibibytes(64 * 200), .zone_size = kibibytes(64), .conventional = 3})
                .value();
        ASSERT_TRUE(write_new_image(file_, geometry));
        auto opened = Image::open(std::make_unique<PagedFile>(file_), "image");
        std::mutex mutex;
        ImageTable table(file_, std::move(opened->table), opened->zones, mutex);
        const std::array<std::uint64_t, 3> written{5, 199, 6};
        for (const std::uint64_t zone : std::span(written).first(GetParam() ? 3 : 2)) {
            opened->zones.record_write({.offset = kibibytes(64 * zone), .length = {512 * (1 + zone % 100)}});
            table.mark_changed({zone}, {zone});
            ASSERT_EQ(table.commit(), 0);
        }
        Superblock superblock = opened->image.superblock();
        superblock.clean = GetParam();
        ++superblock.sequence;
        for (std::size_t copy = 0; copy < superblock_copies; ++copy) {
            file_.write(superblock_offset(copy).value, encode(superblock));
        }
        ASSERT_EQ(read().error, "");
        good_ = read();
    }

    struct Outcome {
        std::string error;  // empty: it opens
        std::size_t findings = 0;
        bool unclean = false;
        std::vector<Zone> zones;
    };
    [[nodiscard]] Outcome read() const {
        ImageFindings findings;
        const auto contents = read_image(file_, findings);
        if (!contents) {
            EXPECT_EQ(contents.error().kind, ErrorKind::invalid_input) << contents.error().message;
            return {.error = contents.error().message};
        }
        Outcome outcome{.findings = findings.repairable.size(), .unclean = contents->was_unclean};
        for (std::uint64_t id = 0; id < contents->zones.geometry().zone_count(); ++id) {
            outcome.zones.push_back(contents->zones.zone({id}));
        }
        return outcome;
    }

    static constexpr std::uint64_t metadata_end = image_block_size * superblock_copies + table_group_size;
    PagedFile file_;
    Outcome good_;
};
INSTANTIATE_TEST_SUITE_P(Ends, ImageDamage, testing::Bool(),
                         [](const auto& row) { return row.param ? "clean" : "in_use"; });

TEST_P(ImageDamage, AFlippedBitAnywhereIsFoundAndTheOtherCopyStandsIn) {
    // Each byte of a clean image; one in seven of one in use, which differs from it in a flag.
    const std::uint64_t step = GetParam() || test::is_long() ? 1 : 7;
    for (std::uint64_t at = 0; at < metadata_end; at += step) {
        std::array<std::byte, 1> byte{};
        ASSERT_EQ(file_.read(at, byte), 0);
        const std::array flipped{byte[0] ^ std::byte{static_cast<unsigned char>(1U << (at % 8))}};
        file_.write(at, flipped);
        const Outcome outcome = read();
        file_.write(at, byte);
        ASSERT_EQ(outcome.error, "") << "byte " << at;
        ASSERT_EQ(outcome.findings, 1U) << "byte " << at;
        ASSERT_EQ(outcome.zones, good_.zones) << "byte " << at;
        ASSERT_EQ(outcome.unclean, !GetParam() || at < image_block_size * superblock_copies) << at;
    }
    EXPECT_EQ(read().findings, 0U) << "all was put back";
}

TEST_P(ImageDamage, BothCopiesOfTheNewestStateDamagedGiveTheStateBefore) {
    const std::size_t newest = GetParam() ? 1 : 0;  // of three commits, or of two
    for (std::size_t copy = 0; copy < table_copies; ++copy) {
        file_.write(table_offset(0, newest, copy).value + 2000, std::array{std::byte{1}});
    }
    const Outcome outcome = read();
    ASSERT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.zones[GetParam() ? 6 : 199].written, Bytes{0}) << "the last one";
    EXPECT_EQ(outcome.zones[5], good_.zones[5]);
}

TEST_P(ImageDamage, CutOffAnywhereIsRefused) {
    std::uint64_t full = 0;
    ASSERT_EQ(file_.size(full), 0);
    const PagedFile whole(file_);
    for (std::uint64_t length = 0; length < full; length += length < metadata_end + 4096 ? 97 : 99991) {
        file_ = whole;
        file_.set_size(length);
        const Outcome outcome = read();
        ASSERT_THAT(outcome.error,
                    testing::AnyOf(testing::HasSubstr("too short"), testing::HasSubstr("truncated image")))
            << length;
    }
    file_ = whole;
    file_.set_size(full + 1);
    EXPECT_THAT(read().error, testing::HasSubstr("wrong size"));
}

}  // namespace
}  // namespace reflux
