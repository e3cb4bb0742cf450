// The daemon as a child process: refluxd, known only by its command line and its ready line, or a program
// that we did not write, known by what appears when it serves.
#pragma once

#include "harness/stack/front_end.h"

namespace reflux::stack {

// Of refluxd. Where there is no file of this name yet.
Status format_image(const Plan& plan, const std::string& image);

}  // namespace reflux::stack
