// Offsets from the kernel's struct zonefs_super; the checksum by zlib.
#include "harness/stack/zonefs.h"

#include "backend/base/little_endian.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace reflux::stack {
namespace {

TEST(ZonefsTest, TheSuperblockIsTheKernels) {
    std::array<std::byte, 16> uuid{};
    std::generate(uuid.begin(), uuid.end(), [n = 0]() mutable { return std::byte(n++); });
    const auto block = zonefs_superblock(uuid);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(block.bytes.data()), 4), "SFOZ");
    EXPECT_EQ(get<std::uint32_t>(block.bytes, 4), 0xA5D0C737U);
    EXPECT_EQ(block.bytes[72 + 15], std::byte{15});
    EXPECT_EQ(get<std::uint64_t>(block.bytes, 88), 0U) << "features";
}

}  // namespace
}  // namespace reflux::stack
