#include "backend/base/checksum.h"

#include <string_view>

#include <gtest/gtest.h>

namespace reflux {
namespace {

std::span<const std::byte> bytes_of_text(std::string_view text) {
    return std::as_bytes(std::span(text));
}

// The check values of the two polynomials: of "123456789", inverted at both ends.
TEST(ChecksumTest, Crc32IsTheKernels) {
    EXPECT_EQ(~crc32_le(~0U, bytes_of_text("123456789")), 0xCBF43926U);
    EXPECT_EQ(~crc32_le(crc32_le(~0U, bytes_of_text("1234")), bytes_of_text("56789")), 0xCBF43926U);
    EXPECT_EQ(crc32_le(1, {}), 1U);
}

}  // namespace
}  // namespace reflux
