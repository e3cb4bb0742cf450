// What a guest starts from: busybox, guest/init.sh, and the modules by which a kernel reaches the host's
// root.
#pragma once

#include "backend/base/unique_fd.h"
#include "harness/vm/kernel.h"

namespace reflux::vm {

// Made anew in memory (a memfd): there is no file to be cleaned up. QEMU opens it as /proc/self/fd/N.
// unsupported: a tool is missing.
Result<UniqueFd> make_initramfs(const Kernel& kernel);

}  // namespace reflux::vm
