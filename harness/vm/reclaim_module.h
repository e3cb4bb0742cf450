// The prototype kernel module (harness/mitigation/kernel), compiled for a kernel.
#pragma once

#include "harness/vm/kernel.h"

#include <string>

namespace reflux::vm {

// Path of the compiled module for `kernel`, made now unless the cache has it. Its headers are those that
// stand at lib/modules/RELEASE/build of the kernel's own root, or, for a kernel of the cache, Debian's
// packages, which are downloaded, checked and unpacked into the cache. unsupported: there are none, or it
// does not compile for this kernel; with what make said.
Result<std::string> reclaim_module_for(const Kernel& kernel, const std::string& cache,
                                       const Progress& progress);

// This machine's kernel as the above takes it, whether or not it could be booted in a guest.
Result<Kernel> running_kernel();

}  // namespace reflux::vm
