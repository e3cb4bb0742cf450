// What runs the guest's instructions: KVM where a kernel truly boots in it (a device node that opens is no
// proof), else emulation.
#pragma once

#include "harness/vm/kernel.h"

#include <optional>
#include <string>
#include <string_view>

namespace reflux::vm {

struct Accelerator {
    std::string name = "tcg";  // "kvm" | "tcg"
    std::string why;           // one clause for people
};

// Path of QEMU; unsupported: which package to install.
Result<std::string> find_qemu();

// What a guest's init tells first (guest/init.sh) is in it.
bool tells_of_boot(std::string_view said);

// From the cache when host kernel and QEMU are those of the last trial; else, if /dev/kvm opens, by a trial
// boot of `kernel`, at most 15 s.
Result<Accelerator> find_accelerator(const Kernel& kernel, const std::string& cache);

// What an earlier trial on this machine found; nullopt: there was none.
std::optional<Accelerator> known_accelerator(const std::string& cache);

}  // namespace reflux::vm
