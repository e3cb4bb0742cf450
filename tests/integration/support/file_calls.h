// System calls on a path, for tests that ask which error comes.
#pragma once

#include "backend/base/unique_fd.h"

#include <cerrno>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace reflux::test {

// What a call answered: bytes or 0, or an errno value below 0.
inline ssize_t answer_of(ssize_t result) {
    return result < 0 ? -errno : result;
}

// Opens with `flags` and writes once.
inline ssize_t write_at(const std::string& path, off_t offset, std::string_view data, int flags = 0) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags));
    return fd ? answer_of(::pwrite(fd.get(), data.data(), data.size(), offset)) : -errno;
}
inline ssize_t append_to(const std::string& path, std::string_view data) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_APPEND));
    return fd ? answer_of(::write(fd.get(), data.data(), data.size())) : -errno;
}
inline ssize_t truncate_to(const std::string& path, off_t size) {
    return answer_of(::truncate(path.c_str(), size));
}
// Opens and closes: 0, or an errno value below 0.
inline ssize_t open_with(const std::string& path, int flags) {
    return UniqueFd(::open(path.c_str(), flags | O_CLOEXEC)) ? 0 : -errno;
}
inline off_t size_of(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_size : -errno;
}
inline unsigned mode_of(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777U : ~0U;
}

}  // namespace reflux::test
