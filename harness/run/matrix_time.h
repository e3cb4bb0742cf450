// How far a matrix is, and how long it will go on: by what its runs have taken. Pure.
#pragma once

#include "backend/base/units.h"
#include "harness/run/matrix_cells.h"

#include <optional>
#include <string>
#include <vector>

namespace reflux::run {

// For the runs that are missing: a run of a cell takes as long as those that it has on average, or else those
// of its kernel, or else all. nullopt: there is no run yet that tells. Runs on this machine are made one by
// one, guests `at_once`.
std::optional<Seconds> time_left(const std::vector<Cell>& cells, unsigned at_once);

// "40 s", "12 min", "3.5 h"
std::string rough(Seconds time);

// "3 of 40 runs done, about 12 min left"; where nothing tells how long, "0 of 40 runs done".
std::string progress_of(const std::vector<Cell>& cells, unsigned at_once);

// Before the first run: "12 cells, 40 runs, 3 of them done already; at once: 2; about 12 min, as the runs
// that are here took 31 s on average".
std::string announcement_of(const std::vector<Cell>& cells, unsigned at_once);

}  // namespace reflux::run
