#include "harness/report/wrap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using report::wrapped;
using ::testing::ElementsAre;

TEST(Wrap, BreaksAtSpacesAndIndents) {
    EXPECT_THAT(wrapped("one two three four", {.columns = 10, .indent = "- ", .hang = "  ", .most = 9}),
                ElementsAre("- one two", "  three", "  four"));
    EXPECT_THAT(wrapped("a b", {.columns = 3, .indent = "", .hang = "", .most = 1}), ElementsAre("a b"));
}

TEST(Wrap, AnEmptyTextIsALine) {
    EXPECT_THAT(wrapped("", {.indent = "", .hang = ""}), ElementsAre(""));
    EXPECT_THAT(wrapped("   ", {.indent = "", .hang = ""}), ElementsAre(""));
}

TEST(Wrap, WhatDoesNotFitEndsInDots) {
    EXPECT_THAT(wrapped("one two three four", {.columns = 9, .indent = "", .hang = "", .most = 2}),
                ElementsAre("one two", "three..."));
    EXPECT_THAT(wrapped("one two threefour", {.columns = 9, .indent = "", .hang = "", .most = 1}),
                ElementsAre("one tw..."));
    EXPECT_THAT(wrapped("one two", {.columns = 7, .indent = "", .hang = "", .most = 1}),
                ElementsAre("one two"));
    EXPECT_THAT(wrapped("one two ", {.columns = 7, .indent = "", .hang = "", .most = 1}),
                ElementsAre("one two"));
}

TEST(Wrap, BreaksAWordThatIsLongerThanALine) {
    EXPECT_THAT(wrapped("a bcdefghij", {.columns = 5, .indent = "", .hang = " ", .most = 9}),
                ElementsAre("a", " bcde", " fghi", " j"));
}

TEST(Wrap, CountsCharactersAndBreaksBetweenThem) {
    EXPECT_THAT(wrapped("\u00e4\u00f6\u00fc\u00df", {.columns = 3, .indent = "", .hang = "", .most = 9}),
                ElementsAre("\u00e4\u00f6\u00fc", "\u00df"));
}

TEST(Wrap, ControlCharactersAreSpaces) {
    EXPECT_THAT(wrapped("a\nb\x1b[0m", {.indent = "", .hang = ""}), ElementsAre("a b [0m"));
}

TEST(Wrap, EndsWhateverTheWidth) {
    for (std::size_t columns = 0; columns < 6; ++columns) {
        const auto lines =
            wrapped("one two three", {.columns = columns, .indent = "    ", .hang = "    ", .most = 3});
        EXPECT_LE(lines.size(), 3U);
    }
}

}  // namespace
}  // namespace reflux
