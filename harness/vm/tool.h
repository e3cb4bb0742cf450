// Programs of the system that this folder drives, each for a bounded time, each with an error that says what
// to do.
#pragma once

#include "backend/base/child.h"
#include "backend/base/units.h"

#include <functional>
#include <string>
#include <vector>

namespace reflux::vm {

// While one stands, a program that runs here, and a wait for another reflux, ends soon after `asked` says so,
// with an error for which is_interruption() holds. One at a time, in the only thread.
class Interruptible {
  public:
    explicit Interruptible(std::function<bool()> asked);
    Interruptible(const Interruptible&) = delete;
    Interruptible& operator=(const Interruptible&) = delete;
    Interruptible(Interruptible&&) = delete;
    Interruptible& operator=(Interruptible&&) = delete;
    ~Interruptible();

    static bool is_asked();
};
bool is_interruption(const Error& error);

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
