#include "backend/base/units.h"

#include <gtest/gtest.h>

namespace reflux {
namespace {

TEST(ParseBytes, ReadsBinaryUnits) {
    EXPECT_EQ(parse_bytes("512")->value, 512U);
    EXPECT_EQ(parse_bytes("512B")->value, 512U);
    EXPECT_EQ(*parse_bytes("40KiB"), kibibytes(40));
    EXPECT_EQ(*parse_bytes("64MiB"), mebibytes(64));
    EXPECT_EQ(*parse_bytes("2GiB"), gibibytes(2));
}

TEST(ParseBytes, RefusesWhatWouldBeAGuess) {
    for (const char* text : {"", "MiB", "64MB", "64 MiB", "-1MiB", "1.5GiB", "64mib", "20000000TiB"}) {
        const auto parsed = parse_bytes(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().kind, ErrorKind::invalid_input);
        EXPECT_NE(parsed.error().message.find(fmt::format("'{}'", text)), std::string::npos)
            << parsed.error().message;
    }
}

TEST(ParseSeconds, ReadsUnitsAndRefusesBareNumbers) {
    EXPECT_DOUBLE_EQ(parse_seconds("250ms")->count(), 0.25);
    EXPECT_DOUBLE_EQ(parse_seconds("8s")->count(), 8);
    EXPECT_DOUBLE_EQ(parse_seconds("1.5min")->count(), 90);
    for (const char* text : {"", "8", "s", "8h", "-1s", "8 s"}) {
        EXPECT_FALSE(parse_seconds(text)) << text;
    }
}

TEST(ToString, IsReadBackAsTheSameSize) {
    for (const Bytes bytes : {Bytes{0}, Bytes{1}, Bytes{1000}, kibibytes(3), mebibytes(1536), gibibytes(2)}) {
        EXPECT_EQ(*parse_bytes(to_string(bytes)), bytes) << to_string(bytes);
    }
    EXPECT_EQ(to_string(mebibytes(1536)), "1536MiB");
    EXPECT_EQ(human(kibibytes(1536)), "1.5 MiB");
    EXPECT_EQ(to_string(Seconds(0.25)), "250ms");
    EXPECT_EQ(to_string(Seconds(8)), "8s");
}

}  // namespace
}  // namespace reflux
