// Programs of another release of the system, made for a newer C library than this machine has, as kbuild's
// are that come with the headers of a newer kernel.
#pragma once

#include "backend/base/result.h"

#include <string>
#include <vector>

namespace reflux::vm {

// Programs below `tree` that this machine's C library is too old for, sorted. What they need beside it must
// be installed (libelf).
Result<std::vector<std::string>> programs_for_newer_libc(const std::string& tree);

// Makes each of these run with the C library that package libc6 has, unpacked in `libc`: a script takes its
// place and starts it by that library's loader. `final_libc`: where the folder is going to be.
Status run_with_libc(const std::vector<std::string>& programs, const std::string& libc,
                     const std::string& final_libc);

}  // namespace reflux::vm
