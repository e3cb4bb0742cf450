#include "harness/report/html/layout.h"

#include "harness/report/html/markup.h"

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>
#include <tuple>

namespace reflux::report::html {
namespace {

using verdict::Place;
using verdict::Tally;

std::vector<Place> columns_of(const std::vector<Tally>& tallies) {
    std::vector<Place> places;
    for (const auto& tally : tallies) {
        if (std::ranges::find(places, tally.place) == places.end()) {
            places.push_back(tally.place);
        }
    }
    std::ranges::sort(places, [](const Place& a, const Place& b) {
        return a.kernel == b.kernel ? a.cgroup < b.cgroup : version_less(a.kernel, b.kernel);
    });
    return places;
}

enum class Part { baseline, control, cure };

// The family of a scenario is the baseline that all of it is about.
struct Member {
    std::string family;
    Part part = Part::baseline;
};
std::map<std::string, Member> members_of(const std::vector<Tally>& tallies) {
    std::map<std::string, Member> members;
    for (const auto& tally : tallies) {
        const auto& about = tally.claim.baseline.empty() ? tally.scenario : tally.claim.baseline;
        members[tally.scenario] = {.family = name_and_variant(about).first,
                                   .part = tally.claim.cure ? Part::cure : Part::baseline};
    }
    // A control may be that of several: it stands with the one whose name is most like its own.
    std::map<std::string, std::size_t> alike;
    for (const auto& tally : tallies) {
        const auto& control = tally.claim.control;
        if (tally.claim.cure || control == tally.scenario || !members.contains(control) ||
            members[control].part == Part::cure) {
            continue;
        }
        const auto same =
            static_cast<std::size_t>(std::ranges::mismatch(control, tally.scenario).in1 - control.begin());
        if (auto& most = alike[control]; same >= most) {
            most = same;
            members[control] = {.family = members[tally.scenario].family, .part = Part::control};
        }
    }
    return members;
}

std::vector<std::string> mitigations_of(const Report& report, const Cell& cell) {
    std::vector<std::string> names;
    for (const auto& mitigation : report.found.runs[cell.runs.front()].verdict.mitigations) {
        names.push_back(mitigation.name);
    }
    return names;
}

// Which run of a cell shows it, and which cell comes first: higher is told first.
using Weight = std::tuple<bool, bool, int>;

Weight weight_of(const Run& run) {
    const auto& word = run.verdict.outcome;
    return {run.verdict.misses(), word == "deadlock" || word == "livelock", look_of(word).gravity};
}

std::size_t speaker_of(const Report& report, const Cell& cell) {
    return *std::ranges::max_element(cell.runs, {}, [&](std::size_t run) {
        const auto& one = report.found.runs[run];
        return std::tuple(weight_of(one), one.began);
    });
}

}  // namespace

bool version_less(const std::string& a, const std::string& b) {
    const auto digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < a.size() && j < b.size()) {
        if (!digit(a[i]) || !digit(b[j])) {
            if (a[i] != b[j]) {
                return a[i] < b[j];
            }
            ++i;
            ++j;
            continue;
        }
        const auto number_at = [&digit](const std::string& text, std::size_t& at) {
            at = std::min(text.find_first_not_of('0', at), text.size());
            const auto begin = at;
            while (at < text.size() && digit(text[at])) {
                ++at;
            }
            return text.substr(begin, at - begin);
        };
        const auto x = number_at(a, i);
        const auto y = number_at(b, j);
        if (x != y) {
            return x.size() != y.size() ? x.size() < y.size() : x < y;
        }
    }
    return a.size() - i < b.size() - j;
}

Grid grid_of(const Report& report) {
    const auto& tallies = report.counted.tallies;
    Grid grid{.columns = columns_of(tallies)};
    if (grid.columns.size() > most_columns) {
        grid.columns_left_out = grid.columns.size() - most_columns;
        grid.columns.resize(most_columns);
    }
    std::map<std::string, std::size_t> row_of;
    for (std::size_t i = 0; i < tallies.size(); ++i) {
        const auto& tally = tallies[i];
        const auto [row, added] = row_of.emplace(tally.scenario, grid.rows.size());
        if (added) {
            grid.rows.push_back({.scenario = tally.scenario,
                                 .claim = tally.claim,
                                 .mitigations = mitigations_of(report, report.counted.cells[i]),
                                 .cells = decltype(Row::cells)(grid.columns.size())});
        }
        const auto column = std::ranges::find(grid.columns, tally.place);
        if (column != grid.columns.end()) {
            grid.rows[row->second].cells[static_cast<std::size_t>(column - grid.columns.begin())] = i;
        }
    }
    auto members = members_of(tallies);
    std::ranges::sort(grid.rows, [&members](const Row& a, const Row& b) {
        const auto& [x, y] = std::tie(members[a.scenario], members[b.scenario]);
        return std::tie(x.family, x.part, a.scenario) < std::tie(y.family, y.part, b.scenario);
    });
    std::string family;
    for (auto& row : grid.rows) {
        row.leads = members[row.scenario].family != family;
        family = members[row.scenario].family;
    }
    return grid;
}

std::vector<Shown> shown_of(const Report& report) {
    std::vector<Shown> shown;
    for (std::size_t i = 0; i < report.counted.cells.size(); ++i) {
        shown.push_back({.cell = i, .run = speaker_of(report, report.counted.cells[i])});
    }
    std::ranges::stable_sort(shown, std::ranges::greater{},
                             [&](const Shown& one) { return weight_of(report.found.runs[one.run]); });
    // Of a run that was not made there is nothing to be shown.
    std::erase_if(shown, [&](const Shown& one) { return report.found.runs[one.run].verdict.was_not_made(); });
    shown.resize(std::min(shown.size(), most_shown));
    return shown;
}

std::string gravest_of(const Tally& tally) {
    const auto& outcomes = tally.runs > 0 ? tally.made : tally.not_made;
    return outcomes.empty() ? "" : std::ranges::max_element(outcomes, {}, [](const auto& one) {
                                       return look_of(one.first).gravity;
                                   })->first;
}

std::pair<std::string, std::string> name_and_variant(const std::string& scenario) {
    const auto bracket = scenario.find(" [");
    return bracket == std::string::npos || !scenario.ends_with(']')
               ? std::pair{scenario, std::string()}
               : std::pair{scenario.substr(0, bracket),
                           scenario.substr(bracket + 2, scenario.size() - bracket - 3)};
}

std::string words_of(const Place& place) {
    return place.cgroup.empty() ? place.kernel : fmt::format("{}, cgroup {}", place.kernel, place.cgroup);
}

}  // namespace reflux::report::html
