#include "daemon/tcmu/made_for.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::tcmu {
namespace {

using testing::HasSubstr;

const ServedImage image{.identity = 0xab, .size = mebibytes(64), .path = "/images/disk.img"};

TEST(MadeFor, TheSameImageGoesOn) {
    EXPECT_EQ(alias_for(image), "refluxd image 00000000000000ab");
    EXPECT_TRUE(check_made_for(image, alias_for(image), std::nullopt, "disk"));
    EXPECT_TRUE(check_made_for(image, alias_for(image), 1U << 20U, "disk"))
        << "what its maker wrote into dev_size is not what it serves";
}

TEST(MadeFor, AnotherImageIsRefusedThoughItsSizeIsTheSame) {
    ServedImage other = image;
    other.identity = 0xac;
    other.path = "/images/other.img";
    const auto refused = check_made_for(other, alias_for(image), image.size.value, "TCMU device disk");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(refused.error().message, HasSubstr("TCMU device disk was made for another image"));
    EXPECT_THAT(refused.error().message, HasSubstr("/images/other.img"));
}

TEST(MadeFor, WithoutARefluxdsAliasTheSizeDecides) {
    for (const char* const alias : {"", "somebody's disk"}) {
        EXPECT_TRUE(check_made_for(image, alias, image.size.value, "disk"));
        EXPECT_TRUE(check_made_for(image, alias, std::nullopt, "disk"));
        const auto refused = check_made_for(image, alias, image.size.value + 4096, "disk");
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().message, HasSubstr("67112960 bytes, this one 67108864"));
    }
}

TEST(MadeFor, NobodysAliasIsWrittenOver) {
    EXPECT_TRUE(may_be_replaced(""));
    EXPECT_TRUE(may_be_replaced(alias_for(image)));
    EXPECT_FALSE(may_be_replaced("somebody's disk"));
}

}  // namespace
}  // namespace reflux::tcmu
