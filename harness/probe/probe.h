// What this machine can run, and why not what it cannot: the answer of `reflux probe`. Nothing here mounts,
// loads a module or changes anything else.
#pragma once

#include "harness/probe/finding.h"

#include <string>
#include <vector>

namespace reflux::probe {

// All questions, in the order in which a reader wants them: what every run needs, what observes, what further
// stacks need. `image_folder` is where lower images would be made.
std::vector<Finding> probe(const std::string& image_folder = "/var/tmp");

}  // namespace reflux::probe
