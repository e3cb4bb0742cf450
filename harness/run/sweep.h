// `reflux matrix NAME` where NAME is a sweep (scenario/sweep.h): the scenarios that it stands for, and the
// table of mitigations and families that their runs make. Pure but for the files of the scenarios.
#pragma once

#include "harness/run/matrix_cells.h"
#include "harness/scenario/sweep.h"

#include <string>
#include <vector>

namespace reflux::run {

// "*" becomes each row of the mitigation table; then those that stand in `only` (empty: all), in that order.
// invalid_input: one of `only` is not among them, a name that the table does not have.
Result<std::vector<std::string>> mitigations_of(const scenario::Sweep& sweep,
                                                const std::vector<std::string>& only);

// Drops the families with other ids; invalid_input: there is none with one of them.
Status keep_families(const std::vector<std::string>& ids, scenario::Sweep& sweep);

// Per family ID: "ID" stalls, "ID+MITIGATION" is a cure of it without an expectation of its own (predictions
// stand in the sweep, and its table says what became of them), "ID-control" is its control.
Result<std::vector<scenario::Scenario>> scenarios_of(const scenario::Sweep& sweep,
                                                     const std::vector<std::string>& mitigations,
                                                     const std::vector<std::string>& overrides);

// For each kernel a Markdown table: rows are mitigations, columns families; a cell tells how many of its runs
// stalled, what came out, the recursion, and what became of the prediction: confirmed or refuted where the
// runs show it, "so far" where chance may have made them. Below it, why cells have no runs.
std::vector<std::string> table_of(const scenario::Sweep& sweep, const std::vector<std::string>& mitigations,
                                  const std::vector<Cell>& cells);

}  // namespace reflux::run
