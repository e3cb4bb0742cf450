#include "harness/report/html/markup.h"
#include "harness/report/html/sections.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace reflux::report::html {
namespace {

constexpr std::size_t most_lines = 40;  // of each list in the head

// "3 scenarios" of a set of them.
std::string number_of(const std::set<std::string>& names, std::string_view noun) {
    return verdict::counted(names.size(), noun);
}

std::string lead(const Report& report) {
    std::set<std::string> scenarios;
    std::set<std::string> kernels;
    std::string first;
    std::string last;
    for (std::size_t i = 0; i < report.found.runs.size(); ++i) {
        const auto& run = report.found.runs[i];
        scenarios.insert(run.verdict.scenario);
        kernels.insert(report.counted.batch[i].place.kernel);
        if (!run.began.empty()) {
            first = first.empty() ? run.began : std::min(first, run.began);
            last = std::max(last, run.began);
        }
    }
    constexpr std::size_t minutes = 16;  // of "2026-11-22 02:30:23"
    const auto when = first.empty() ? ""
                                    : fmt::format(", begun {} to {} UTC", first.substr(0, minutes),
                                                  last.substr(0, minutes));
    return fmt::format("<p class=\"lead\">{} of {} on {}{}.</p>\n",
                       verdict::counted(report.found.runs.size(), "run"), number_of(scenarios, "scenario"),
                       number_of(kernels, "kernel"), when);
}

// How often each outcome came, the gravest first: a bar for the eye, and a list that says the same.
std::string outcomes(const Report& report) {
    std::map<std::string, std::size_t> counts;
    for (const auto& run : report.found.runs) {
        ++counts[run.verdict.outcome];
    }
    std::vector<std::pair<std::string, std::size_t>> sorted(counts.begin(), counts.end());
    std::ranges::stable_sort(sorted, std::ranges::greater{},
                             [](const auto& one) { return look_of(one.first).gravity; });
    constexpr std::size_t most_words = 32;  // there are nine; a hostile folder may hold any
    sorted.resize(std::min(sorted.size(), most_words));
    std::string bar;
    std::string list;
    for (const auto& [outcome, count] : sorted) {
        bar +=
            fmt::format(R"(<span class="bg {}" style="flex-grow:{}"></span>)", look_of(outcome).style, count);
        list += fmt::format("<li>{} <b>{}</b></li>", outcome_mark(outcome), count);
    }
    return fmt::format(
        "<div class=\"bar\" aria-hidden=\"true\">{}</div>\n<ul class=\"counts\" "
        "aria-label=\"Outcomes\">{}</ul>\n",
        bar, list);
}

std::string list_of(const std::vector<std::string>& lines, std::string_view style) {
    std::string text = fmt::format("<ul class=\"{}\">\n", style);
    for (std::size_t i = 0; i < std::min(lines.size(), most_lines); ++i) {
        text += fmt::format("<li>{}</li>\n", lines[i]);
    }
    if (lines.size() > most_lines) {
        text += fmt::format("<li>and {} more</li>\n", lines.size() - most_lines);
    }
    return text + "</ul>\n";
}

// A cell with runs that did not meet their expectation.
std::string differing_line(const Page& page, std::size_t cell) {
    const auto& counted = page.report.counted;
    const auto& tally = counted.tallies[cell];
    std::map<std::string, unsigned> found;
    const Run* one = nullptr;
    for (const auto index : counted.cells[cell].runs) {
        const auto& run = page.report.found.runs[index];
        if (run.verdict.misses()) {
            one = one == nullptr ? &run : one;
            ++found[run.verdict.outcome +
                    (run.verdict.expected.recursion.empty() ? "" : ", recursion " + run.verdict.recursion)];
        }
    }
    std::vector<std::string> parts;
    parts.reserve(found.size());
    for (const auto& [words, count] : found) {
        parts.push_back(fmt::format("{} of {} {}", count, tally.runs, words));
    }
    return fmt::format(
        R"({}<a href="#{}">{}</a> <span class="on">on {}</span><br/>expected {}; <strong>found )"
        "{}</strong>",
        shape(gravest_of(tally)), page.anchor_of(cell), escaped(tally.scenario, 200),
        escaped(words_of(tally.place), 100), escaped(one->verdict.expected_words(), 300),
        escaped(verdict::join(parts, "; "), 400));
}

// Of runs with an expectation. Where none was made, that nothing differs says nothing.
std::string nothing_differs(std::size_t judged, std::size_t not_made) {
    std::string text = judged > 0      ? verdict::counted(judged, "run") + " had an expectation, and met it."
                       : not_made == 0 ? "No run had an expectation."
                                       : "";
    if (not_made > 0) {
        text += fmt::format(" {} with an expectation {} not made.", verdict::counted(not_made, "run"),
                            not_made == 1 ? "was" : "were");
    }
    return fmt::format(
        "<section class=\"note{}\" aria-labelledby=\"differs-h\"><h2 id=\"differs-h\">{}</h2><p>{}</p>"
        "</section>\n",
        judged > 0 ? " good" : "", judged > 0 ? "Nothing differs from expectation" : "Nothing was judged",
        text);
}

std::string differing(const Page& page) {
    std::vector<std::string> lines;
    std::size_t runs = 0;
    for (const auto& one : page.shown) {
        const auto missed = page.report.counted.cells[one.cell].missed;
        runs += missed;
        if (missed > 0) {
            lines.push_back(differing_line(page, one.cell));
        }
    }
    std::size_t all = 0;
    std::size_t judged = 0;
    std::size_t not_made = 0;
    for (const auto& run : page.report.found.runs) {
        all += run.verdict.misses() ? 1 : 0;
        if (run.verdict.is_judged()) {
            ++(run.verdict.was_not_made() && !run.verdict.met ? not_made : judged);
        }
    }
    if (all == 0) {
        return nothing_differs(judged, not_made);
    }
    return fmt::format(
        "<section class=\"note bad\" aria-labelledby=\"differs-h\"><h2 id=\"differs-h\">{} differ{} from "
        "expectation</h2>{}{}</section>\n",
        verdict::counted(all, "run"), all == 1 ? "s" : "", list_of(lines, "differs"),
        all > runs ? fmt::format(R"(<p>{} more, see <a href="#matrix">the matrix</a>.</p>)", all - runs)
                   : "");
}

// The same sentence of many runs is told once.
std::vector<std::string> grouped(const std::map<std::string, std::vector<const Run*>>& by_reason) {
    std::vector<std::string> lines;
    lines.reserve(by_reason.size());
    for (const auto& [reason, runs] : by_reason) {
        lines.push_back(fmt::format("<b>{}</b> {} <code>{}</code>{}", runs.size(), escaped(reason, 400),
                                    escaped(runs.front()->folder, 400),
                                    runs.size() > 1 ? " and others" : ""));
    }
    return lines;
}

std::string note(std::string_view title, std::string_view explanation,
                 const std::vector<std::string>& lines) {
    return lines.empty()
               ? ""
               : fmt::format("<details class=\"note\"><summary><h2>{}</h2></summary><p>{}</p>{}</details>\n",
                             title, explanation, list_of(lines, "plain"));
}

std::string runs_of(std::string_view outcome, const Report& report, std::string_view title,
                    std::string_view explanation) {
    std::map<std::string, std::vector<const Run*>> by_reason;
    std::size_t all = 0;
    for (const auto& run : report.found.runs) {
        if (run.verdict.outcome == outcome) {
            ++all;
            by_reason[run.verdict.reasons.empty() ? "" : run.verdict.reasons.front()].push_back(&run);
        }
    }
    return note(fmt::format("{} {}", verdict::counted(all, "run"), title), explanation, grouped(by_reason));
}

std::string left_behind(const Report& report) {
    std::map<std::string, std::vector<const Run*>> by_object;
    for (const auto& run : report.found.runs) {
        for (const auto& leftover : run.verdict.leftovers) {
            by_object[leftover].push_back(&run);
        }
    }
    return note("Something was left behind", "What teardown could not remove.", grouped(by_object));
}

std::string troubles(const Runs& found) {
    std::vector<std::string> left_out;
    std::vector<std::string> counted;
    for (const auto& trouble : found.troubles) {
        (trouble.counted ? counted : left_out)
            .push_back(
                fmt::format("<code>{}</code> {}", escaped(trouble.path, 400), escaped(trouble.what, 400)));
    }
    return note(fmt::format("{} not counted", verdict::counted(left_out.size(), "folder")),
                "Interrupted runs, and files that cannot be read.", left_out) +
           note(fmt::format("{} of an unknown scenario", verdict::counted(counted.size(), "run")),
                "They are counted, but nothing is known of what their scenario claims: it does not load.",
                counted);
}

}  // namespace

std::string head_section(const Page& page) {
    const auto& report = page.report;
    std::string text = "<h1>Does the storage daemon deadlock in reclaim?</h1>\n";
    text += lead(report);
    text += outcomes(report);
    text += differing(page);
    text +=
        runs_of("harness_error", report, "failed in the harness", "Nothing is known of the stack by them.");
    text += left_behind(report);
    text += runs_of("unsupported", report, "could not be made",
                    "This machine or kernel could not run them as asked; they do not count.");
    text += troubles(report.found);
    return text;
}

}  // namespace reflux::report::html
