// Kernel modules that a stack needs, loaded by modprobe for the time of a run.
#pragma once

#include "backend/base/result.h"
#include "harness/journal/journal.h"

#include <string>
#include <string_view>
#include <vector>

namespace reflux::stack {

// Nothing where it is loaded or built in. What has to be loaded, with what that depends on, is journalled
// first, one entry each. unsupported: this kernel has no such module, or may not load any.
Status load_module(std::string_view name, journal::Journal& journal,
                   const std::vector<std::string>& parameters = {});
// Whether load_module() could succeed; loads nothing.
Status can_load_module(std::string_view name);

}  // namespace reflux::stack
