// The folder that a run leaves: what was run, where, what was seen, what it means, how to run it again.
#pragma once

#include "backend/base/result.h"
#include "harness/evidence/evidence.h"
#include "harness/scenario/scenario.h"
#include "harness/verdict/verdict.h"

#include <string>
#include <vector>

namespace reflux::run {

// Makes OUT/NAME-TIME-N, with NAME.toml (the scenario as run) and repro.sh in it, and returns its absolute
// path; unsupported where OUT has not the room for what a run may write. `options`: of the command line of
// `run`, those that make the run what it is.
Result<std::string> make_run_folder(const std::string& out, const scenario::Scenario& scenario,
                                    const std::vector<std::string>& options = {});

// Writes evidence.json, verdict.json, verdict.txt; after a stall stacks.txt and wait-graph.dot, and
// wait-graph.svg where Graphviz's `dot` is installed.
Status write_results(const std::string& folder, const evidence::Evidence& evidence,
                     const verdict::Verdict& verdict);

}  // namespace reflux::run
