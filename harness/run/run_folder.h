// The folder that a run leaves: what was run, where, what was seen, what it means, how to run it again.
#pragma once

#include "backend/base/result.h"
#include "harness/evidence/evidence.h"
#include "harness/scenario/scenario.h"
#include "harness/verdict/verdict.h"

#include <string>

namespace reflux::run {

// Makes OUT/NAME-TIME-N, with NAME.toml (the scenario as run) and repro.sh in it, and returns its absolute
// path.
Result<std::string> make_run_folder(const std::string& out, const scenario::Scenario& scenario);

// Writes evidence.json, verdict.json, verdict.txt, and stacks.txt and dmesg.txt where there is something to
// write.
Status write_results(const std::string& folder, const evidence::Evidence& evidence,
                     const verdict::Verdict& verdict);

}  // namespace reflux::run
