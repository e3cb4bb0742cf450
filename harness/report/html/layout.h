// How the cells of a report lie on the page: rows of scenarios, columns of places, and which runs are told in
// detail. Pure.
#pragma once

#include "harness/report/counted.h"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace reflux::report::html {

struct Row {
    std::string scenario;
    verdict::Claim claim;
    std::vector<std::string> mitigations;           // of its runs
    std::vector<std::optional<std::size_t>> cells;  // of each column: index of the tally; nullopt: no run
    bool leads = false;                             // the first one of its family
};

inline constexpr std::size_t most_columns = 48;
struct Grid {
    std::vector<verdict::Place> columns;  // by version, numbers as numbers: 5.10 before 6.1 before 6.12
    std::size_t columns_left_out = 0;     // beyond most_columns; their runs are in the list
    std::vector<Row> rows;                // a baseline, its control, its cures; then the next one
};
Grid grid_of(const Report& report);

// A cell that is told in detail by one run.
struct Shown {
    std::size_t cell = 0;  // index of the tally
    std::size_t run = 0;   // index of Runs::runs
};
inline constexpr std::size_t most_shown = 60;
// Cells with a run that did not meet its expectation first, then stalls, then the others, the gravest
// outcomes first; of each the run that shows it: one that did not meet its expectation, of the gravest
// outcome, the latest.
std::vector<Shown> shown_of(const Report& report);

// The gravest outcome in a cell; "unsupported" or the like, where none was made.
std::string gravest_of(const verdict::Tally& tally);

// True if version a comes before b.
bool version_less(const std::string& a, const std::string& b);

// "NAME [memcg.limit=1GiB]" is "NAME" and "memcg.limit=1GiB", else the name and "".
std::pair<std::string, std::string> name_and_variant(const std::string& scenario);
// "6.1.0-49-amd64, cgroup v1"
std::string words_of(const verdict::Place& place);

}  // namespace reflux::report::html
