#include "harness/workload/content.h"

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace reflux::workload {
namespace {

std::vector<std::byte> bytes_of(const Content& content, std::uint64_t offset, std::size_t length) {
    std::vector<std::byte> bytes(length);
    content.fill(offset, bytes);
    return bytes;
}

TEST(Content, IsTheSameInPiecesOfAnySizeAndAtAnyOffset) {
    const Content content(1, 2, 3);
    const auto whole = bytes_of(content, 0, 40000);
    for (const std::size_t piece : {1U, 7U, 512U, 4095U, 4096U, 4097U, 12289U}) {
        std::vector<std::byte> pieced(whole.size());
        for (std::size_t at = 0; at < whole.size(); at += piece) {
            content.fill(at, std::span(pieced).subspan(at, std::min(piece, whole.size() - at)));
        }
        EXPECT_EQ(pieced, whole) << "pieces of " << piece;
    }
}

TEST(Content, DiffersBySeedWorkerAndNumber) {
    const std::set<std::vector<std::byte>> contents{
        bytes_of(Content(1, 2, 3), 0, 64), bytes_of(Content(2, 2, 3), 0, 64),
        bytes_of(Content(1, 3, 3), 0, 64), bytes_of(Content(1, 2, 4), 0, 64),
        bytes_of(Content(2, 1, 3), 0, 64), bytes_of(Content(1, 3, 2), 0, 64)};
    EXPECT_EQ(contents.size(), 6U);
}

// A sector or page that was written to the wrong place must not look right there.
TEST(Content, NoTwoSectorsOfAFileAreEqual) {
    const auto bytes = bytes_of(Content(1, 0, 1), 0, std::size_t{4} << 20U);
    std::set<std::vector<std::byte>> sectors;
    for (auto at = bytes.begin(); at != bytes.end(); at += 512) {
        sectors.emplace(at, at + 512);
    }
    EXPECT_EQ(sectors.size(), bytes.size() / 512);
}

TEST(Content, FirstDifferenceIsTheIndexOfTheByte) {
    auto found = bytes_of(Content(1, 0, 1), 0, 10000);
    const auto wanted = found;
    EXPECT_EQ(first_difference(found, wanted), std::nullopt);
    found[9999] ^= std::byte{1};
    EXPECT_EQ(first_difference(found, wanted), 9999U);
    found[17] ^= std::byte{0x80};
    EXPECT_EQ(first_difference(found, wanted), 17U);
}

TEST(Random, IsAFunctionOfSeedWorkerAndStep) {
    const auto first = [](std::uint64_t seed, std::uint32_t worker, std::uint64_t step) {
        return Random(seed, worker, step).next();
    };
    EXPECT_EQ(first(1, 2, 3), first(1, 2, 3));
    EXPECT_NE(first(1, 2, 3), first(2, 2, 3));
    EXPECT_NE(first(1, 2, 3), first(1, 3, 3));
    EXPECT_NE(first(1, 2, 3), first(1, 2, 4));
}

TEST(Random, BelowReachesEveryValueAboutEquallyOften) {
    std::array<int, 10> counts{};
    for (std::uint64_t step = 0; step < 10000; ++step) {
        ++counts.at(Random(1, 1, step).below(10));
    }
    EXPECT_GT(*std::min_element(counts.begin(), counts.end()), 850);
    EXPECT_LT(*std::max_element(counts.begin(), counts.end()), 1150);
}

}  // namespace
}  // namespace reflux::workload
