// What holds of every page, whatever is in it.
#pragma once

#include "backend/base/child.h"
#include "harness/report/html/page.h"
#include "tests/unit/harness/report/report_fixture.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::testing {

struct Tag {
    std::string name;
    std::map<std::string, std::string> attributes;

    [[nodiscard]] std::string of(const std::string& attribute) const {
        const auto found = attributes.find(attribute);
        return found == attributes.end() ? "" : found->second;
    }
};
// All that open an element, of a page that is well-formed.
inline std::vector<Tag> tags_of(const std::string& page) {
    std::vector<Tag> tags;
    for (std::size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
        const auto name_end = page.find_first_of(" >/", at + 1);
        if (page[at + 1] == '/' || page[at + 1] == '!') {
            continue;
        }
        Tag& tag = tags.emplace_back(Tag{.name = page.substr(at + 1, name_end - at - 1), .attributes = {}});
        at = name_end;
        while (page[at] == ' ') {
            const auto equals = page.find('=', at);
            const auto end = page.find('"', equals + 2);
            tag.attributes[page.substr(at + 1, equals - at - 1)] = page.substr(equals + 2, end - equals - 2);
            at = page.find_first_not_of('\n', end + 1);
        }
    }
    return tags;
}

inline std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++count;
    }
    return count;
}

// Without the page, which is too long to be printed.
inline void expect_has(const std::string& page, const std::string& part) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
}

// libxml2 reads it as XML: tags closed and nested, attributes quoted and given once, only characters of XML.
inline void expect_well_formed(const std::string& page) {
    const test::TemporaryFolder folder;
    folder.write("page.html", page);
    const auto ran = run_command({"xmllint", "--noout", "--nonet", folder / "page.html"}, Seconds(20));
    ASSERT_TRUE(ran) << ran.error().message << " (scripts/install-deps has it)";
    EXPECT_TRUE(ran->exit && ran->exit->ok()) << ran->output;
}

// Nothing is fetched, nothing runs, and the document allows neither.
inline void expect_self_contained(const std::vector<Tag>& tags) {
    const std::set<std::string> known = {
        "html",    "head",    "meta",    "title",      "style", "body",   "header", "main", "footer",
        "nav",     "section", "article", "h1",         "h2",    "h3",     "h4",     "p",    "div",
        "span",    "a",       "b",       "strong",     "br",    "ul",     "ol",     "li",   "dl",
        "dt",      "dd",      "table",   "caption",    "thead", "tbody",  "tr",     "th",   "td",
        "details", "summary", "figure",  "figcaption", "pre",   "code",   "svg",    "defs", "symbol",
        "marker",  "pattern", "path",    "rect",       "line",  "circle", "text",   "desc", "use"};
    std::size_t policies = 0;
    for (const auto& tag : tags) {
        EXPECT_TRUE(known.contains(tag.name)) << tag.name;
        for (const auto& [name, value] : tag.attributes) {
            EXPECT_FALSE(name.starts_with("on") || name == "src" || name == "action")
                << tag.name << ' ' << name;
            EXPECT_TRUE(name != "href" || value.starts_with('#')) << value;
        }
        policies += tag.of("content").starts_with("default-src 'none'") ? 1 : 0;
    }
    EXPECT_EQ(policies, 1U);
}

inline void expect_headings_in_order(const std::vector<Tag>& tags) {
    char level = '0';
    std::size_t first = 0;
    for (const auto& tag : tags) {
        if (tag.name.size() == 2 && tag.name[0] == 'h' && tag.name[1] >= '1' && tag.name[1] <= '6') {
            EXPECT_LE(tag.name[1], level + 1) << tag.name << " below one of level " << level;
            level = tag.name[1];
            first += level == '1' ? 1 : 0;
        }
    }
    EXPECT_EQ(first, 1U);
}

// Links and labels name what is there; tables and pictures have names, and regions that scroll can be
// reached.
inline void expect_accessible(const std::vector<Tag>& tags) {
    std::set<std::string> ids;
    for (const auto& tag : tags) {
        EXPECT_TRUE(tag.of("id").empty() || ids.insert(tag.of("id")).second) << tag.of("id");
    }
    for (std::size_t i = 0; i < tags.size(); ++i) {
        const auto& tag = tags[i];
        EXPECT_TRUE(tag.of("href").empty() || ids.contains(tag.of("href").substr(1))) << tag.of("href");
        for (const auto& label : split(tag.of("aria-labelledby"), ' ')) {
            EXPECT_TRUE(ids.contains(label)) << label;
        }
        const auto next = i + 1 < tags.size() ? tags[i + 1] : Tag{};
        EXPECT_TRUE(tag.name != "table" || next.name == "caption");
        EXPECT_TRUE(tag.name != "th" || !tag.of("scope").empty());
        EXPECT_TRUE(tag.of("role") != "img" || (next.name == "title" && tag.of("aria-labelledby") != ""));
        EXPECT_TRUE(tag.of("class") != "scroll" || tag.of("tabindex") == "0");
        EXPECT_TRUE(tag.of("tabindex") != "0" || tag.of("aria-label") + tag.of("aria-labelledby") != "");
    }
}

inline void expect_sound(const std::string& page) {
    expect_well_formed(page);
    const auto tags = tags_of(page);
    expect_self_contained(tags);
    expect_headings_in_order(tags);
    expect_accessible(tags);
}

}  // namespace reflux::testing
