// `reflux matrix`: scenarios, or a sweep (sweep.h), on kernels, each cell run several times, several guests
// at once. What is finished stays in a folder (matrix_folder.h), and a second invocation makes only what is
// missing.
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
    unsigned jobs = 0;          // guests at once; 0: as many as fit on this machine
    std::string shard = "1/1";  // "2/3": the second of three parts (shard.h)
    std::string out;
    bool json = false;
    bool with_baseline = false;  // run also what proves the cures among the scenarios
    std::string families;        // of a sweep only these, by their ids: "v1-writeback,global"; empty: all
};

ExitCode run_matrix(const MatrixOptions& options);

}  // namespace reflux::run
