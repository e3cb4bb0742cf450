#include "harness/report/html/markup.h"
#include "harness/report/html/sections.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

namespace reflux::report::html {
namespace {

std::string met_word(const RunVerdict& verdict) {
    return verdict.was_not_made() ? "not run"
           : !verdict.met         ? "<strong>not met</strong>"
           : verdict.foreseen()   ? "met"
                                  : "–";
}

std::string relief_word(const RunVerdict& verdict) {
    if (verdict.relief.empty()) {
        return "–";
    }
    return escaped(verdict.relief, 40) +
           (verdict.relief_after_s ? " " + short_time(*verdict.relief_after_s) : "");
}

std::string row(const Run& run) {
    return fmt::format(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td "
        "class=\"f\">{}</td></tr>\n",
        outcome_mark(run.verdict.outcome), escaped(run.verdict.recursion, 40), relief_word(run.verdict),
        met_word(run.verdict), short_time(run.verdict.duration_s), escaped(run.folder, 1000));
}

std::string group_head(const Page& page, std::size_t cell) {
    const auto& tally = page.report.counted.tallies[cell];
    auto counts = tally.made;
    counts.insert(tally.not_made.begin(), tally.not_made.end());
    return fmt::format(
        "<details id=\"c{0}\" class=\"group\"><summary id=\"s{0}\">{1}<span class=\"name\">{2}</span> <span "
        "class=\"on\">{3}</span> <span class=\"ci\">{4}</span></summary>\n<div class=\"scroll\" "
        "role=\"region\" "
        "aria-labelledby=\"s{0}\" tabindex=\"0\"><table class=\"runs\"><caption "
        "class=\"hidden\">Runs</caption>"
        "<thead><tr><th scope=\"col\">Outcome</th><th scope=\"col\">Recursion</th><th "
        "scope=\"col\">Relief</th><th "
        "scope=\"col\">Expectation</th><th scope=\"col\">Took</th><th "
        "scope=\"col\">Folder</th></tr></thead>\n"
        "<tbody>\n",
        cell, shape(gravest_of(tally)), escaped(tally.scenario, 200), escaped(words_of(tally.place), 100),
        escaped(verdict::text_of(counts), 200));
}

// In the order of the matrix, but first those with a run that did not meet its expectation.
std::vector<std::size_t> cells_in_order(const Page& page) {
    std::map<std::string_view, std::size_t> rank;
    for (const auto& row : page.grid.rows) {
        rank.emplace(row.scenario, rank.size());
    }
    const auto& counted = page.report.counted;
    std::vector<std::size_t> cells(counted.tallies.size());
    std::iota(cells.begin(), cells.end(), 0);
    std::ranges::stable_sort(cells, [&](std::size_t a, std::size_t b) {
        const auto& [x, y] = std::tie(counted.tallies[a], counted.tallies[b]);
        const auto key = [&](const verdict::Tally& tally, std::size_t cell) {
            return std::tuple(counted.cells[cell].missed == 0, rank.at(tally.scenario));
        };
        return key(x, a) != key(y, b) ? key(x, a) < key(y, b) : version_less(x.place.kernel, y.place.kernel);
    });
    return cells;
}

}  // namespace

std::string list_section(Page& page, std::size_t most) {
    constexpr std::size_t room_at_the_end = 2000;
    std::string text =
        "<section id=\"all\" aria-labelledby=\"all-h\">\n<h2 id=\"all-h\">All runs</h2>\n<p "
        "class=\"lead\">Each with its folder; first the scenarios with a run that differs from its "
        "expectation.</p>\n";
    std::size_t left_out = 0;
    const auto& runs = page.report.found.runs;
    for (const auto cell : cells_in_order(page)) {
        auto indexes = page.report.counted.cells[cell].runs;
        std::stable_partition(indexes.begin(), indexes.end(),
                              [&](std::size_t run) { return runs[run].verdict.misses(); });
        std::string group = group_head(page, cell);
        std::size_t rows = 0;
        for (const auto index : indexes) {
            auto line = row(runs[index]);
            if (text.size() + group.size() + line.size() + room_at_the_end > most) {
                break;
            }
            group += line;
            ++rows;
        }
        left_out += indexes.size() - rows;
        if (rows > 0) {
            page.listed.insert(cell);
            text += group + "</tbody></table></div></details>\n";
        }
    }
    if (left_out > 0) {
        text += fmt::format("<p>{} more are not listed: the page has its size. They are counted above.</p>\n",
                            verdict::counted(left_out, "run"));
    }
    return text + "</section>\n";
}

}  // namespace reflux::report::html
