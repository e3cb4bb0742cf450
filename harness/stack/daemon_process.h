// refluxd as a child process: image formatted, served, ready. Known only by its command line and its ready
// line.
#pragma once

#include "backend/base/child.h"
#include "harness/journal/journal.h"
#include "harness/stack/stack.h"

namespace reflux::stack {

Status format_image(const Plan& plan, const std::string& image);

// Serves `image` at `mount_point`; returns when the daemon has printed its ready line, or its error.
Result<Child> start_daemon(const Plan& plan, const std::string& image, const std::string& mount_point,
                           const std::string& control_socket, journal::Journal& journal);

}  // namespace reflux::stack
