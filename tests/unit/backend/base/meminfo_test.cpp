#include "backend/base/meminfo.h"

#include <gtest/gtest.h>

namespace reflux {
namespace {

TEST(Meminfo, AFieldIsFoundByItsWholeName) {
    constexpr std::string_view text = "MemFree:          64 kB\nSwapFree:       1024 kB\nSwap: words\n";
    EXPECT_EQ(meminfo_field(text, "SwapFree"), mebibytes(1));
    EXPECT_EQ(meminfo_field(text, "MemFree"), kibibytes(64));
    EXPECT_FALSE(meminfo_field(text, "Free"));
    EXPECT_FALSE(meminfo_field(text, "Swap")) << "no number";
    EXPECT_FALSE(meminfo_field("", "MemFree"));
}

}  // namespace
}  // namespace reflux
