#include "harness/observe/gfp_mask.h"

#include "temporary_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::observe {
namespace {

TEST(ConstantValue, IsThatOfC) {
    EXPECT_EQ(constant_value("0x40u"), 0x40U);
    EXPECT_EQ(constant_value(" ( gfp_t)((((1UL))) << (10))|((((1UL))) << (11))"), 0xc00U);
    EXPECT_EQ(constant_value("( unsigned long)(((( gfp_t)(0x400u|0x800u))) & ~(( gfp_t)0x400u))"), 0x800U);
    EXPECT_EQ(constant_value("1 << 2 + 1 | 1"), 9U);
    EXPECT_EQ(constant_value("8 - 2 - 1"), 5U);
    EXPECT_EQ(constant_value("1 << 64"), 0U);
    for (const auto* text : {"", "(", "1)", "(1", "___GFP_IO_BIT", "1 <<", "0x", "1 2",
                             "99999999999999999999", "1 << ___GFP_FS_BIT"}) {
        EXPECT_FALSE(constant_value(text)) << text;
    }
    EXPECT_FALSE(constant_value(std::string(100'000, '(')));
    EXPECT_FALSE(constant_value(std::string(100'000, '~')));
}

struct Recorded {
    const char* format;
    std::uint64_t noio;      // __GFP_RECLAIM
    std::uint64_t hardwall;  // a bit that differs between kernels
};

class GfpTables : public testing::TestWithParam<Recorded> {};

TEST_P(GfpTables, TurnTheKernelsOwnNamesIntoBits) {
    const auto table = GfpTable::parse(fixture(GetParam().format));
    ASSERT_TRUE(table);
    EXPECT_GT(table->size(), 30U);
    const auto noio = table->bits_of("GFP_NOIO");
    EXPECT_EQ(noio, GetParam().noio);
    EXPECT_EQ(table->has(*noio, "__GFP_FS"), false);
    EXPECT_EQ(table->has(*noio, "__GFP_IO"), false);
    const auto nofs = table->bits_of("GFP_NOFS|__GFP_HARDWALL");
    EXPECT_EQ(nofs, GetParam().noio | 0x40U | GetParam().hardwall);
    EXPECT_EQ(table->has(*nofs, "__GFP_IO"), true);
    EXPECT_EQ(table->has(*nofs, "__GFP_FS"), false);
    const auto movable = table->bits_of("GFP_HIGHUSER_MOVABLE");
    ASSERT_TRUE(movable);
    EXPECT_EQ(*movable & *nofs, *nofs);
    EXPECT_EQ(table->has(*movable, "__GFP_FS"), true);
    // As the mask of an IO flusher is printed: a named set, single flags, and a bit without a name.
    EXPECT_EQ(table->bits_of("GFP_NOIO|__GFP_HIGHMEM|__GFP_MOVABLE|0x80000000"),
              GetParam().noio | 2U | 8U | 0x80000000U);
    EXPECT_EQ(table->bits_of("none"), 0U);
    EXPECT_FALSE(table->bits_of("GFP_NOIO|__GFP_OF_TOMORROW"));
    EXPECT_FALSE(table->bits_of(""));
    EXPECT_FALSE(table->bits_of("GFP_NOIO|"));
    EXPECT_FALSE(table->has(*noio, "__GFP_OF_TOMORROW"));
}

INSTANTIATE_TEST_SUITE_P(Recorded, GfpTables,
                         testing::Values(Recorded{"format_6.18_memcg_reclaim_begin.txt", 0xc00, 0x100000}));

TEST(GfpTable, IsNoneWhereTheFormatGivesNoNumbers) {
    EXPECT_FALSE(GfpTable::parse(""));
    EXPECT_FALSE(GfpTable::parse("print fmt: \"order=%d\", REC->order"));
    EXPECT_FALSE(
        GfpTable::parse("__print_flags(REC->gfp_flags, \"|\", {(( gfp_t)((((1UL))) << "
                        "(___GFP_IO_BIT))), \"__GFP_IO\"} )"));
    EXPECT_FALSE(GfpTable::parse("__print_flags(REC->gfp_flags, \"|\", {"));
}

}  // namespace
}  // namespace reflux::observe
