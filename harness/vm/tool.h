// Programs of the system that this folder drives, each for a bounded time, each with an error that says what
// to do.
#pragma once

#include "backend/base/child.h"
#include "backend/base/units.h"

#include <string>
#include <vector>

namespace reflux::vm {

// How a program ended that was not killed for its deadline.
struct ToolResult {
    ExitStatus exit;
    std::string output;  // stdout and stderr together, at most 64 KiB
};

// unsupported when `program` is not here, with the package that has it.
Status need_tool(const std::string& program, const std::string& package);

// Runs argv[0], which `package` has, to its end; timed_out at the deadline, where it was killed.
Result<ToolResult> try_tool(const std::string& package, const std::vector<std::string>& argv,
                            Seconds deadline);
// The same, where anything but exit 0 is an error that holds the end of the output; returns the output.
Result<std::string> run_tool(const std::string& package, const std::vector<std::string>& argv,
                             Seconds deadline);

// unsupported when the filesystem of `folder`, which exists, has less than `needed` free; `what` needs it.
Status need_space(const std::string& folder, Bytes needed, const std::string& what);

// SHA-256 of a file in hexadecimal digits.
Result<std::string> sha256_of(const std::string& path);

}  // namespace reflux::vm
