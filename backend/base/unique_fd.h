#pragma once

#include "backend/base/owner.h"
#include "backend/base/result.h"

#include <string>

#include <fcntl.h>
#include <unistd.h>

namespace reflux {

struct FdTraits {
    using Handle = int;
    static constexpr Handle none() noexcept { return -1; }
    static void release(Handle fd) noexcept { ::close(fd); }
};

// Owns a file descriptor.
using UniqueFd = Owner<FdTraits>;

// open(2) with O_CLOEXEC added; the error names the path.
inline Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode = 0600) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd < 0) {
        return fail_errno("open " + path);
    }
    return UniqueFd(fd);
}

}  // namespace reflux
