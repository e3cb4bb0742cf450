// `reflux run`: scenarios, one after another, each as often as asked; results on stdout, exit status by
// contract.
#pragma once

#include "harness/run/exit_status.h"

#include <optional>
#include <string>
#include <vector>

namespace reflux::run {

struct BatchOptions {
    std::vector<std::string> scenarios;    // names or files
    std::vector<std::string> mitigations;  // "a+b": a run of each scenario under a and b; empty: its own
    std::vector<std::string> overrides;    // "key=value"
    unsigned repeat = 1;
    std::string out = "reflux-runs";
    bool json = false;
    bool keep = false;
    bool load_module = false;       // the prototype kernel module into this machine's own kernel
    std::optional<std::string> vm;  // the kernel of the virtual machine, "": the running one; nullopt: no VM
    bool with_baseline = false;     // run also what proves the cures among the scenarios
};

ExitCode run_batch(const BatchOptions& options);

}  // namespace reflux::run
