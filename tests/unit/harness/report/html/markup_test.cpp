#include "harness/report/html/markup.h"

#include "harness/report/html/layout.h"
#include "harness/report/html/series.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::report::html {
namespace {

using ::testing::HasSubstr;

const std::string unknown = "\xEF\xBF\xBD";

TEST(Escaped, LeavesTextAndMarksWhatIsNone) {
    EXPECT_EQ(escaped("plain — ünïcode 𝄞"), "plain — ünïcode 𝄞");
    EXPECT_EQ(escaped("<a href=\"x\" b='y'>&amp;"), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;");
    EXPECT_EQ(escaped("\x1b[31m\x7f"), "\xE2\x90\x9B[31m\xE2\x90\xA1");
    EXPECT_EQ(escaped("a\n\tb\r"), "a\n\tb\xE2\x90\x8D");
    EXPECT_EQ(escaped(std::string_view("\0", 1)), "\xE2\x90\x80");
    // Not the shortest form, a surrogate, beyond Unicode, cut off, a stray continuation, never a byte of
    // UTF-8.
    for (const auto* bytes :
         {"\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xff"}) {
        const auto text = escaped(bytes);
        EXPECT_TRUE(text.starts_with(unknown)) << text;
        EXPECT_EQ(text.size() % unknown.size(), 0U);
    }
    // Noncharacters, C1 controls, and what turns text round.
    for (const auto* bytes : {"\xef\xbf\xbe", "\xef\xbf\xbf", "\xc2\x9b", "\xe2\x80\xae", "\xe2\x81\xa6"}) {
        EXPECT_EQ(escaped(bytes), unknown);
    }
}

TEST(Escaped, CutsBetweenCharacters) {
    EXPECT_EQ(escaped("abc", 3), "abc");
    EXPECT_EQ(escaped("abcd", 3), "abc…");
    EXPECT_EQ(escaped("aüb", 2), "a…");
}

TEST(Outcomes, EachHasAShapeAColourAndAWordOfItsOwn) {
    std::set<std::string_view> styles;
    for (const auto* word : {"completes", "slow", "livelock", "deadlock", "daemon_killed", "io_error",
                             "inconclusive", "unsupported", "harness_error"}) {
        EXPECT_TRUE(styles.insert(look_of(word).style).second) << word;
        EXPECT_THAT(shapes(), HasSubstr(fmt::format("id=\"o-{}\"", look_of(word).style)));
        EXPECT_THAT(outcome_mark(word), HasSubstr(std::string(word)));
    }
    EXPECT_EQ(look_of("<new>").style, look_of("inconclusive").style);
    EXPECT_THAT(outcome_mark("<new>"), HasSubstr("&lt;new&gt;"));
}

TEST(Times, AreShort) {
    EXPECT_EQ(short_time(0.04), "0.0 s");
    EXPECT_EQ(short_time(9.96), "10 s");
    EXPECT_EQ(short_time(200), "3 min 20 s");
    EXPECT_LT(short_time(1e300).size(), 30U);
    EXPECT_LT(short_time(-1e300).size(), 30U);
    EXPECT_EQ(short_bytes(67108864), "64 MiB");
}

TEST(Versions, AreSortedByNumber) {
    EXPECT_TRUE(version_less("5.10.0-46", "6.1.0-56"));
    EXPECT_TRUE(version_less("6.1.0", "6.12.0"));
    EXPECT_FALSE(version_less("6.12.0", "6.2.0"));
    EXPECT_TRUE(version_less("6.1", "6.1.0"));
    EXPECT_FALSE(version_less("6.1", "6.1"));
}

TEST(Series, ARateHoldsUpToItsPoint) {
    const auto rate = rate_of({{.at_s = 0, .value = 10}, {.at_s = 2, .value = 30}, {.at_s = 3, .value = 5}});
    ASSERT_EQ(rate.size(), 3U);
    EXPECT_DOUBLE_EQ(rate[1].value, 10);
    EXPECT_DOUBLE_EQ(rate[2].value, 0);
    EXPECT_EQ(steps(rate, {.from_s = 0, .to_s = 3, .top = 10, .width = 300, .height = 40}, false),
              "M0.0 40.0V0.0H200.0V40.0H300.0");
}

TEST(Series, ThinningKeepsPeaks) {
    Series series;
    for (int i = 0; i < 10'000; ++i) {
        series.push_back({.at_s = i / 4.0, .value = i == 5003 ? 99.0 : 1.0});
    }
    const auto few = thinned(series, 300);
    EXPECT_EQ(few.size(), 300U);
    EXPECT_DOUBLE_EQ(peak_of(few), 99);
    EXPECT_DOUBLE_EQ(few.back().at_s, series.back().at_s);
}

}  // namespace
}  // namespace reflux::report::html
