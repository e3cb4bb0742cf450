// `reflux vm`: kernels for virtual machines, and a shell in one.
#pragma once

#include "backend/base/units.h"
#include "harness/run/exit_status.h"

#include <string>

namespace reflux::run {

// Kernels in the cache, the running one, and the newest of each series that can be had.
ExitCode vm_list_verb();
// Downloads the newest kernel of a name such as "6.1".
ExitCode vm_fetch_verb(const std::string& kernel);

struct VmShell {
    std::string kernel;           // as for `run --vm`
    std::string cgroup = "auto";  // as the scenario key vm.cgroup
    std::string memory = "1GiB";
    unsigned cpus = 2;
};
// A root shell in a guest, on this terminal. The current folder is /run/shared in it.
ExitCode vm_shell_verb(const VmShell& shell);

}  // namespace reflux::run
