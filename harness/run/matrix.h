// `reflux matrix`: scenarios on kernels, each cell run several times, several guests at once. What is
// finished stays in a folder, and a second invocation makes only what is missing:
//   matrix.json             what the first invocation was asked for
//   KERNEL/SCENARIO/        a cell ('/' in a kernel's name is '_'); in it
//     SCENARIO.toml         the scenario as all of its runs have it
//     SCENARIO-TIME-N/      the folders of its runs; one that was interrupted stays and does not count
//     run-N.log             what the N-th run told, while it goes on and when it has failed
#pragma once

#include "harness/run/exit_status.h"

#include <string>
#include <vector>

namespace reflux::run {

struct MatrixOptions {
    std::vector<std::string> scenarios;    // names or files
    std::vector<std::string> mitigations;  // "a+b": a run of each scenario under a and b; empty: its own
    std::vector<std::string> overrides;    // "key=value"
    std::string kernels;                   // "6.1,7.2,host"
    unsigned repeat = 1;
    unsigned jobs = 0;  // guests at once; 0: as many as fit on this machine
    std::string out;
    bool json = false;
    bool with_baseline = false;  // run also what proves the cures among the scenarios
};

ExitCode run_matrix(const MatrixOptions& options);

}  // namespace reflux::run
