// Kernels of Debian's archive, downloaded once, checked at every use. Below the cache's folder:
//   lock                       flock(2)ed by whoever changes anything below
//   apt/                       the package index (debian_archive.h)
//   kernels/RELEASE/           vmlinuz, config, lib/modules/RELEASE with what depmod makes, and
//   packages.json: what it
//                              was made of, size and SHA-256 of vmlinuz. It comes into being by rename,
//                              whole.
//   kernels/.fetch/            an unfinished download; one that was interrupted is removed by the next
//   headers/RELEASE/           what modules for it are built with, where one was asked for: the unpacked
//                              header packages (usr/src, usr/lib), never installed; libc/ where kbuild's
//                              programs need a newer one than this machine has
//   headers/.fetch/            as above
//   modules/RELEASE/           compiled modules, each with the hash of what it was made of in its name
#pragma once

#include "backend/base/unique_fd.h"
#include "harness/vm/debian_archive.h"
#include "harness/vm/kernel.h"

#include <string>
#include <vector>

namespace reflux::vm {

class KernelCache {
  public:
    // `folder` is absolute; it need not exist.
    explicit KernelCache(std::string folder) : folder_(std::move(folder)) {}

    // Releases that stand in the cache, newest first, not yet checked.
    [[nodiscard]] std::vector<std::string> releases() const;
    // The kernel of that release, named by it; an error that says what of it is missing or damaged.
    [[nodiscard]] Result<Kernel> checked(const std::string& release) const;

    // Waits until no other process changes the cache, and keeps others from it while the lock is open.
    [[nodiscard]] Result<UniqueFd> lock(const Progress& progress) const;
    // Downloads a release and puts it into the cache, instead of a damaged one that may be there. The caller
    // holds the lock. On an error nothing is left of it.
    [[nodiscard]] Result<Kernel> fetch(const DebianArchive& archive, const std::string& release,
                                       const Progress& progress) const;

    // Where the headers of a release are, if fetch_headers() has brought them.
    [[nodiscard]] std::string headers_folder(const std::string& release) const {
        return folder_ + "/headers/" + release;
    }
    // Downloads the header packages of a release and unpacks them there, with programs that run on this
    // machine. The caller holds the lock. On an error nothing is left of it.
    [[nodiscard]] Status fetch_headers(const DebianArchive& archive, const std::string& release,
                                       const Progress& progress) const;
    [[nodiscard]] std::string modules_folder(const std::string& release) const {
        return folder_ + "/modules/" + release;
    }

    // For DebianArchive::open.
    [[nodiscard]] std::string apt_folder() const { return folder_ + "/apt"; }

  private:
    [[nodiscard]] std::string kernels_folder() const { return folder_ + "/kernels"; }
    [[nodiscard]] Status put_in_place(const std::string& made, const std::string& place,
                                      const std::string& work) const;
    // Downloads to `work` and unpacks in `tree`.
    [[nodiscard]] Status bring(const DebianArchive& archive, const std::vector<DebianPackage>& packages,
                               const std::string& what, const std::string& work, const std::string& tree,
                               const Progress& progress) const;

    std::string folder_;
};

// ROOT/lib/modules/RELEASE.
std::string modules_folder(const std::string& root, const std::string& release);
// The first of `paths` that exists, or "".
std::string first_existing(const std::vector<std::string>& paths);

// Takes the unpacked packages of a release in `tree` apart and makes of them what the cache holds, in `made`:
// the image, the config where there is one, and the modules, wherever the packages have them. Moves, does not
// copy.
Status arrange_kernel(const std::string& tree, const std::string& release, const std::string& made);

}  // namespace reflux::vm
