// `reflux audit` and `reflux exec`: the marks of any process, and any program started with them.
#pragma once

#include "harness/mitigation/audit.h"
#include "harness/run/exit_status.h"

#include <string>
#include <vector>

namespace reflux::run {

struct AuditOptions {
    int pid = 0;  // or that of a thread
    mitigation::IoPath io_path;
    bool json = false;
};
// 0: every thread on the I/O path is marked; 1: some are not; 3: there is no such process.
ExitCode audit_verb(const AuditOptions& options);

// What it prints. Names of threads may hold any bytes: none of them reaches the terminal as a control
// character, and in JSON what is not UTF-8 is replaced.
std::string audit_text(const mitigation::Audit& audit);
std::string audit_json(const mitigation::Audit& audit);

struct ExecOptions {
    std::vector<std::string> mitigations;  // names
    std::vector<std::string> program;      // with its arguments; searched in PATH
};
// Applies the mitigations to this process, reads them back, and becomes the program: returns only when it was
// not started. Call it while there is one thread.
ExitCode exec_verb(const ExecOptions& options);

}  // namespace reflux::run
