// A frozen filesystem: whoever writes to it sleeps in the kernel, uninterruptibly, until it is thawed.
#pragma once

#include "backend/base/result.h"
#include "backend/base/unique_fd.h"

#include <string>

namespace reflux::test {

// Thaws at its end. The freeze is held by a process that is no child of the test program, by a descriptor
// from before the freeze: it thaws when it is told to, when the test program ends in whatever way, a SIGKILL
// to it and all its children included, and after 60 s in any case.
class FrozenFilesystem {
  public:
    static Result<FrozenFilesystem> freeze(const std::string& mount_point);
    FrozenFilesystem(FrozenFilesystem&&) = default;
    FrozenFilesystem& operator=(FrozenFilesystem&&) = delete;
    FrozenFilesystem(const FrozenFilesystem&) = delete;
    FrozenFilesystem& operator=(const FrozenFilesystem&) = delete;
    ~FrozenFilesystem();

    // An error when it was thawed before its time (after 60 s), or is not within 20 s. Calling it again does
    // nothing.
    Status thaw();

  private:
    FrozenFilesystem(UniqueFd hold, UniqueFd answers)
        : hold_(std::move(hold)), answers_(std::move(answers)) {}

    UniqueFd hold_;     // it stays frozen while this is open
    UniqueFd answers_;  // a letter when it is frozen, one when it is thawed
};

}  // namespace reflux::test
