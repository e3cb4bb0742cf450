// `reflux run`: scenarios, one after another, each as often as asked; results on stdout, exit status by
// contract.
#pragma once

#include "harness/run/exit_status.h"
#include "harness/scenario/load.h"

#include <string>
#include <vector>

namespace reflux::run {

struct BatchOptions {
    std::vector<std::string> scenarios;  // names or files
    std::vector<std::string> overrides;  // "key=value"
    unsigned repeat = 1;
    std::string out = "reflux-runs";
    bool json = false;
    bool keep = false;
};

ExitCode run_batch(const BatchOptions& options);

}  // namespace reflux::run
