#include "harness/report/html/page.h"

#include "harness/report/html/markup.h"
#include "harness/report/html/sections.h"

#include <algorithm>

#include <fmt/format.h>

namespace reflux::report::html {
namespace {

// What is left to the other sections is more than they need.
constexpr std::size_t most_detail_bytes = 3'000'000;  // a detail more than that may be begun
constexpr std::size_t most_list_bytes = 5'000'000;

// Even if something of the evidence came through as markup, no browser would run or fetch it.
constexpr std::string_view begin = R"(<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<meta name="referrer" content="no-referrer"/>
)";

std::string navigation(const Page& page, bool cures) {
    std::string links = R"(<a href="#matrix">Matrix</a>)";
    if (cures) {
        links += R"(<a href="#cures">Cures</a>)";
    }
    if (!page.shown.empty()) {
        links += R"(<a href="#details">Runs in detail</a>)";
    }
    return fmt::format("<nav aria-label=\"Sections\">{}<a href=\"#all\">All runs</a></nav>\n", links);
}

std::string detail_section(const Page& page) {
    if (page.shown.empty()) {
        return "";
    }
    std::string text = fmt::format(
        "<section id=\"details\" aria-labelledby=\"details-h\">\n<h2 id=\"details-h\">Runs in detail</h2>\n"
        "<p class=\"lead\">One run of each cell of the matrix{}: first what differs from its expectation, "
        "then "
        "stalls, the gravest first.</p>\n",
        page.shown.size() < page.report.counted.cells.size()
            ? fmt::format(", {} of {} (the others were not made, or are only in the list)", page.shown.size(),
                          page.report.counted.cells.size())
            : "");
    for (const auto& one : page.shown) {
        if (text.size() > most_detail_bytes) {
            text += "<p>More are not shown in detail: the page has its size. The list has all of them.</p>\n";
            break;
        }
        text += detail(page, one);
    }
    return text + "</section>\n";
}

}  // namespace

std::string Page::anchor_of(std::size_t cell) const {
    const bool in_detail = std::ranges::find(shown, cell, &Shown::cell) != shown.end();
    return in_detail ? fmt::format("d{}", cell) : list_anchor_of(cell);
}

std::string Page::list_anchor_of(std::size_t cell) const {
    return listed.contains(cell) ? fmt::format("c{}", cell) : "all";
}

std::string page(const Report& report) {
    Page parts{.report = report, .grid = grid_of(report), .shown = shown_of(report)};
    const auto list = list_section(parts, most_list_bytes);
    const auto details = detail_section(parts);
    const auto cures = cure_section(parts);
    std::string text(begin);
    text += "<title>reflux report</title>\n<style>\n";
    text += style();
    text += "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the report</a>\n";
    text += shapes();
    text += R"(<header><p class="brand">reflux</p>)";
    text += navigation(parts, !cures.empty());
    text += "</header>\n<main id=\"main\" tabindex=\"-1\">\n";
    text += head_section(parts);
    text += matrix_section(parts);
    text += cures;
    text += details;
    text += list;
    text +=
        "</main>\n<footer><p>Made by <code>reflux report</code> from the folders of the runs. Each of them "
        "holds all "
        "that was observed; <code>reflux explain</code> judges it again.</p></footer>\n</body>\n</html>\n";
    return text;
}

}  // namespace reflux::report::html
