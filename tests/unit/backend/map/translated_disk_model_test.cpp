// The translated disk against an array of bytes: random requests, reclaim, commits, failing writes, and being
// opened again.
#include "tests/support/seed.h"
#include "tests/unit/backend/map/memory_disk.h"

#include <cstdio>

#include <gtest/gtest.h>

namespace reflux::map {
namespace {

using test::MemoryDisk;

class Model {
  public:
    Model(const ZonedGeometry& geometry, std::uint64_t seed)
        : layout_(MapLayout::make(geometry).value()),
          below_(geometry),
          random_(seed),
          expected_(layout_.size().value),
          buffer_(expected_.size()),
          scratch_(block_size) {
        open();
    }

    void run(int steps) {
        for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
            step();
        }
        expect_all();
        count_reclaimed();
        EXPECT_EQ(below_.violations, std::set<std::string>{});
    }

    [[nodiscard]] const ReclaimCounters& reclaimed() const { return reclaimed_; }
    int opened = 0;
    int failed = 0;  // writes that did

  private:
    std::uint64_t below(std::uint64_t end) {
        return std::uniform_int_distribution<std::uint64_t>(0, end - 1)(random_);
    }

    void open() {
        auto made = TranslatedDisk::open(below_, layout_, below_.states(), {});
        ASSERT_TRUE(made) << made.error().message;
        disk_ = std::move(*made);
        ++opened;
    }

    void step() {
        const std::uint64_t kind = below(1000);
        if (kind < 500) {
            write();
        } else if (kind < 800) {
            const auto [offset, length] = any_range();
            expect(offset, length);
        } else if (kind < 880) {
            discard();
        } else if (kind < 920) {
            EXPECT_EQ(disk_->flush(), 0);
        } else if (kind < 994) {
            disk_->reclaim_once();
        } else {
            reopen();
        }
    }

    void reopen() {
        EXPECT_EQ(disk_->flush(), 0);
        count_reclaimed();
        open();
        expect_all();
    }

    void count_reclaimed() {
        const ReclaimCounters counters = disk_->status().reclaim;
        reclaimed_.chunks += counters.chunks;
        reclaimed_.zones_reset += counters.zones_reset;
    }

    struct Range {
        std::uint64_t offset = 0;
        std::uint64_t length = 0;
    };
    // Of whole blocks mostly; up to so many bytes that it touches three chunks at most.
    Range any_range() {
        Range range{.offset = below(expected_.size())};
        range.length = 1 + below(below(4) == 0 ? 96 << 10 : 12 << 10);
        if (below(4) != 0) {
            range.offset = range.offset / block_size * block_size;
            range.length = (range.length + block_size - 1) / block_size * block_size;
        }
        range.length = std::min(range.length, expected_.size() - range.offset);
        return range;
    }

    // A write may need a zone for each chunk; nobody else frees them here.
    void make_room() {
        for (int i = 0; i < 1000 && disk_->status().map.random_free < 3; ++i) {
            disk_->reclaim_once();
        }
        ASSERT_GE(disk_->status().map.random_free, 3U);
    }

    void write() {
        ASSERT_NO_FATAL_FAILURE(make_room());
        Range range = any_range();
        if (below(3) == 0) {  // goes on where another has ended
            range.offset = std::min<std::uint64_t>(last_end_, expected_.size() - 1);
            range.length = std::min(range.length, expected_.size() - range.offset);
        }
        last_end_ = range.offset + range.length;
        const auto bytes = std::span(buffer_).first(range.length);
        for (std::byte& byte : bytes) {
            byte = static_cast<std::byte>(next_++ * 0x9e3779b9U >> 24U);
        }
        const std::vector<std::byte> data(bytes.begin(), bytes.end());
        below_.fail_writes = below(50) == 0 ? 1 + static_cast<int>(below(4)) : 0;
        const int error = disk_->write(range.offset, bytes, std::span(scratch_).first<block_size>());
        below_.fail_writes = 0;
        if (error == 0) {
            std::ranges::copy(data, expected_.begin() + static_cast<std::ptrdiff_t>(range.offset));
        } else {
            ++failed;
            accept_part(range.offset, data);
        }
    }

    // Of a write that failed any part may have been done.
    void accept_part(std::uint64_t offset, const std::vector<std::byte>& data) {
        const auto is = std::span(buffer_).first(data.size());
        ASSERT_EQ(disk_->read(offset, is), 0);
        for (std::size_t i = 0; i < data.size(); ++i) {
            ASSERT_TRUE(is[i] == data[i] || is[i] == expected_[offset + i]) << offset + i;
            expected_[offset + i] = is[i];
        }
    }

    void discard() {
        Range range = any_range();
        if (below(4) == 0) {  // whole chunks
            range = {.offset = range.offset / layout_.zone_size().value * layout_.zone_size().value,
                     .length = layout_.zone_size().value};
        }
        const bool exactly = below(2) == 0;
        EXPECT_EQ(exactly ? disk_->clear(range.offset, range.length, std::span(scratch_).first<block_size>())
                          : disk_->discard(range.offset, range.length),
                  0);
        const std::uint64_t unit = exactly ? 1 : block_size;
        const std::uint64_t first = (range.offset + unit - 1) / unit * unit;
        const std::uint64_t end = (range.offset + range.length) / unit * unit;
        if (end > first) {
            std::fill_n(expected_.begin() + static_cast<std::ptrdiff_t>(first), end - first, std::byte{});
        }
    }

    void expect(std::uint64_t offset, std::uint64_t length) {
        const auto is = std::span(buffer_).first(length);
        ASSERT_EQ(disk_->read(offset, is), 0);
        const auto wanted = std::span(expected_).subspan(offset, length);
        const auto differs = std::ranges::mismatch(is, wanted).in1;
        ASSERT_EQ(differs, is.end()) << "byte " << offset + static_cast<std::uint64_t>(differs - is.begin());
    }
    void expect_all() { expect(0, expected_.size()); }

    MapLayout layout_;
    MemoryDisk below_;
    std::mt19937_64 random_;
    std::vector<std::byte> expected_;
    std::vector<std::byte> buffer_;
    std::vector<std::byte> scratch_;
    std::uint32_t next_ = 0;
    std::uint64_t last_end_ = 0;
    ReclaimCounters reclaimed_;
    std::unique_ptr<TranslatedDisk> disk_;
};

// Zones of less than a word of the bitmap, of one that ends with a word, and of several words.
class TranslatedDiskModel : public testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(ZoneSizes, TranslatedDiskModel, testing::Values(64, 256, 512),
                         [](const auto& row) { return std::to_string(row.param) + "KiB"; });

TEST_P(TranslatedDiskModel, IsADiskThatTakesWritesAnywhere) {
    const std::uint64_t seed = reflux::test::new_seed();
    Model model(test::geometry_of(18, 7, kibibytes(GetParam())), seed);
    // To look at all of a larger disk takes longer.
    const int steps = (GetParam() == 64 ? 800 : 300) * (reflux::test::is_long() ? 200 : 1);
    model.run(steps);
    EXPECT_GT(model.reclaimed().chunks, 0U);
    EXPECT_GT(model.reclaimed().zones_reset, 0U);
    EXPECT_FALSE(HasFailure()) << "REFLUX_SEED=" << seed;
    std::printf("seed %lu: %lu chunks reclaimed, %d writes failed, opened %d times\n", seed,
                model.reclaimed().chunks, model.failed, model.opened);
}

}  // namespace
}  // namespace reflux::map
