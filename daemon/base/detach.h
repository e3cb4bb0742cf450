// Going into the background: the first process stays until the daemon is ready or has failed, and tells
// which.
#pragma once

#include "backend/base/unique_fd.h"

#include <optional>
#include <string_view>

namespace reflux {

// Tells that the daemon serves: on stdout, or to the waiting first process.
class ReadyLine {
  public:
    // In the foreground.
    ReadyLine() = default;
    // In the background: `first_process` is the pipe to it.
    explicit ReadyLine(UniqueFd first_process) : first_process_(std::move(first_process)) {}

    // Writes the line and, in the background, lets go of terminal, working directory and first process;
    // stderr goes nowhere from then on.
    Status tell(std::string_view line);

  private:
    UniqueFd first_process_;
};

struct Detached {
    // Set in the first process: the exit status that it should end with at once. It has printed the ready
    // line.
    std::optional<int> first_process_status;
    // In the daemon.
    ReadyLine ready;
};

// Forks; call it before any thread exists. The first process returns when the daemon is ready or has ended.
Result<Detached> detach();

}  // namespace reflux
