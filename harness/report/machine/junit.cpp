#include "harness/report/harmless.h"
#include "harness/report/machine/cases.h"
#include "harness/report/machine/formats.h"

#include <algorithm>
#include <ranges>
#include <span>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace reflux::report::machine {
namespace {

// As text, or between quotes.
std::string escaped(std::string_view text) {
    std::string xml;
    for (const char c : harmless(text)) {
        switch (c) {
            case '&':
                xml += "&amp;";
                break;
            case '<':
                xml += "&lt;";
                break;
            case '>':
                xml += "&gt;";
                break;
            case '"':
                xml += "&quot;";
                break;
            case '\n':
                xml += "&#10;";
                break;
            case '\t':
                xml += "&#9;";
                break;
            default:
                xml += c;
        }
    }
    return xml;
}

// What stands in a case that did not pass.
std::string outcome_of(const Case& one) {
    const auto& verdict = one.run->verdict;
    const bool left_behind = verdict.outcome != "harness_error" && !verdict.leftovers.empty();
    if (one.status == Status::passed) {
        return "";
    }
    // Skipped cases have no text in any of the dialects.
    if (is_skipped(one)) {
        return fmt::format("      <skipped message=\"{}\"/>\n", escaped(one.summary));
    }
    return fmt::format("      <{0} type=\"{1}\" message=\"{2}\">{3}</{0}>\n",
                       one.status == Status::broken ? "error" : "failure",
                       left_behind ? "left_behind" : escaped(verdict.outcome), escaped(one.summary),
                       escaped(fmt::format("{}", fmt::join(details_of(verdict), "\n"))));
}

std::string element_of(const Case& one) {
    const auto& verdict = one.run->verdict;
    return fmt::format(
        "    <testcase classname=\"reflux.{}\" name=\"{}\" time=\"{:.3f}\">\n{}"
        "      <system-out>{}</system-out>\n    </testcase>\n",
        escaped(one.kernel), escaped(one.name), verdict.duration_s, outcome_of(one),
        escaped(fmt::format("{}\nrun folder: {}", one.summary, one.run->folder)));
}

// The attributes that a suite and the whole have alike.
std::string counts_of(std::span<const Case> cases) {
    const auto with = [&](Status status) { return std::ranges::count(cases, status, &Case::status); };
    double seconds = 0;
    for (const auto& one : cases) {
        seconds += one.run->verdict.duration_s;
    }
    return fmt::format("tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3f}\"",
                       cases.size(), with(Status::failed), with(Status::broken),
                       std::ranges::count_if(cases, is_skipped), seconds);
}

// "2026-11-22T02:30:23" of the first run; "" where it is not known.
std::string begin_of(std::span<const Case> cases) {
    std::string first;
    for (const auto& one : cases) {
        const auto& began = one.run->began;
        first = first.empty() || (!began.empty() && began < first) ? began : first;
    }
    std::ranges::replace(first, ' ', 'T');
    return first.empty() ? "" : fmt::format(" timestamp=\"{}\"", first);
}

}  // namespace

std::string junit(const Report& report) {
    const auto cases = cases_of(report);
    std::string xml = fmt::format(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"reflux\" {}>\n", counts_of(cases));
    for (auto begin = cases.begin(); begin != cases.end();) {
        const auto end =
            std::find_if(begin, cases.end(), [&](const Case& one) { return one.kernel != begin->kernel; });
        const std::span suite(begin, end);
        xml += fmt::format("  <testsuite name=\"{}\" {}{}>\n", escaped(begin->kernel), counts_of(suite),
                           begin_of(suite));
        for (const auto& one : suite) {
            xml += element_of(one);
        }
        xml += "  </testsuite>\n";
        begin = end;
    }
    return xml + "</testsuites>\n";
}

}  // namespace reflux::report::machine
