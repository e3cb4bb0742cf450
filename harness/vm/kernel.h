// Kernels that a guest can boot: the running one, somebody's own build, or one of a Debian release, which is
// downloaded by package name, checked, unpacked into a cache, and never installed.
#pragma once

#include "backend/base/result.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::vm {

struct Kernel {
    std::string name;     // as it was asked for: "6.1", "running", a path
    std::string release;  // uname -r
    std::string image;    // path of the bzImage
    std::string root;     // folder with lib/modules/RELEASE in it, as modprobe -d takes it; empty: no modules
    std::string config;   // path of its .config; empty: not known
};

// Is told, in one line for a person, what is being done where that takes seconds. May be empty.
using Progress = std::function<void(const std::string&)>;

// Where kernels are kept: $REFLUX_CACHE, $XDG_CACHE_HOME/reflux or ~/.cache/reflux; absolute.
std::string default_cache();

// `wanted`: "running" or empty: the kernel of this machine, where its image and modules are on disk;
//           a path (it has a '/'): a bzImage, then ':' and the folder that holds lib/modules/RELEASE
//           (INSTALL_MOD_PATH of the build) unless the kernel needs no modules;
//           digits and dots ("6.1", "6.12.117"), or a whole release ("6.1.0-56-amd64"): the newest such
//           kernel in the cache, or, when there is none, the newest of Debian's archive, downloaded now.
// Without network a cached kernel works; a damaged one counts as absent. invalid_input: no such kernel, with
// what there is; unsupported: it cannot be had here, with what to do.
Result<Kernel> find_kernel(const std::string& wanted, const std::string& cache, const Progress& progress);

// Downloads the newest kernel that `wanted` (digits and dots, or a release) names, even when an older one is
// in the cache.
Result<Kernel> fetch_kernel(const std::string& wanted, const std::string& cache, const Progress& progress);

// Kernels in the cache, newest first; damaged ones are left out.
std::vector<Kernel> cached_kernels(const std::string& cache);
// Releases that Debian's archive has for this machine's architecture, newest first; refreshes the index.
Result<std::vector<std::string>> available_releases(const std::string& cache);

// The kernel `release` as a system below `system_root` ("/" for this machine's own) has it installed; named
// "running". unsupported: its image or its modules are not there, with the files that were looked for.
Result<Kernel> installed_kernel(const std::string& release, const std::string& system_root);

// The release that an x86 bzImage names in its header (Documentation/arch/x86/boot.rst: kernel_version).
Result<std::string> release_of_image(const std::string& image);

// Orders releases by the numbers in them: "6.1.0-9" < "6.1.0-56" < "6.12.3". Total: names that differ are
// never equal.
bool older(const std::string& a, const std::string& b);
// "6.12.117+deb12-amd64" -> "6.12".
std::string series_of(std::string_view release);
// Does `wanted` name `release`? "6.1" names 6.1.0-56-amd64 and not 6.12.3; a whole release names itself, and
// may lack its end from a '-' or '+' on ("6.1.0-56").
bool names_release(std::string_view wanted, std::string_view release);

}  // namespace reflux::vm
