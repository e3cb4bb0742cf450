// The colours of the page: contrasts as WCAG 2 computes them.
#include "backend/base/kernel_file.h"
#include "harness/report/html/sections.h"

#include <cmath>
#include <map>
#include <string>

#include <gtest/gtest.h>

namespace reflux::report::html {
namespace {

using Colours = std::map<std::string, std::string>;  // "--ink" -> "1c2126"

// Those of the block that begins there.
Colours colours_after(const std::string& begin) {
    const std::string css(style());
    const auto at = css.find(begin);
    EXPECT_NE(at, std::string::npos);
    Colours colours;
    for (const auto& part : split(css.substr(at, css.find("}", at) - at), ';')) {
        const auto name = part.find("--");
        const auto hash = part.find(": #");
        if (name != std::string::npos && hash != std::string::npos) {
            colours[part.substr(name, hash - name)] = part.substr(hash + 3);
        }
    }
    return colours;
}

double channel(const std::string& colour, std::size_t which) {
    const double value = std::stoi(colour.substr(2 * which, 2), nullptr, 16) / 255.0;
    return value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
}

double luminance(const std::string& colour) {
    return 0.2126 * channel(colour, 0) + 0.7152 * channel(colour, 1) + 0.0722 * channel(colour, 2);
}

double contrast(const std::string& a, const std::string& b) {
    const double x = luminance(a);
    const double y = luminance(b);
    return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

class Scheme : public ::testing::TestWithParam<const char*> {};

TEST_P(Scheme, HasTheContrastsOfWcagAa) {
    const auto colours = colours_after(GetParam());
    constexpr double of_text = 4.5;
    constexpr double of_pictures = 3;
    for (const auto* text : {"--ink", "--soft", "--link", "--completes", "--slow", "--livelock", "--deadlock",
                             "--killed", "--error", "--open", "--none", "--harness"}) {
        for (const auto* ground : {"--ground", "--sheet", "--shade"}) {
            EXPECT_GE(contrast(colours.at(text), colours.at(ground)), of_text) << text << " on " << ground;
        }
    }
    // What has to be told apart in a picture; areas have their peaks in words.
    for (const auto* mark : {"--daemon", "--upper", "--focus", "--reclaim"}) {
        EXPECT_GE(contrast(colours.at(mark), colours.at("--shade")),
                  mark == std::string("--reclaim") ? 2 : of_pictures)
            << mark;
    }
    EXPECT_GE(contrast(colours.at("--daemon"), colours.at("--device")), of_pictures);
    EXPECT_GE(contrast(colours.at("--upper"), colours.at("--reclaim")), 2.0);
}

INSTANTIATE_TEST_SUITE_P(LightAndDark, Scheme, ::testing::Values("  color-scheme: light dark;", "  :root {"),
                         [](const auto& param) { return std::string(param.index == 0 ? "Light" : "Dark"); });

TEST(Style, FetchesNothingAndLeavesNoMarkup) {
    const std::string css(style());
    for (const auto* part : {"url(h", "url(/", "url(d", "url(\"", "@import", "@font-face", "<", "&"}) {
        EXPECT_EQ(css.find(part), std::string::npos) << part;
    }
}

}  // namespace
}  // namespace reflux::report::html
