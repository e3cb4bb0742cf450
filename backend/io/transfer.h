// Whole transfers by plain system calls.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

#include <sys/types.h>

namespace reflux::io {

// `call(fd, data, size, offset)`, as pread and pwrite have it, over short transfers and EINTR until all of
// `buffer` is done; 0 or an errno value. `fd_for(offset, buffer)` is asked before each: after a short
// transfer the rest may be one that cannot go the same way.
template <class File, class Buffer, class Call>
int transfer_fully(const File& fd_for, std::uint64_t offset, Buffer buffer, Call call) {
    while (!buffer.empty()) {
        const ssize_t n =
            call(fd_for(offset, buffer), buffer.data(), buffer.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? errno : EIO;
        }
        offset += static_cast<std::uint64_t>(n);
        buffer = buffer.subspan(static_cast<std::size_t>(n));
    }
    return 0;
}

// Reads or writes all of `buffer` at `offset`; 0 or an errno value. A read that meets the end of the file is
// EIO: the lower file is shorter than the disk that it holds.
int read_fully(int fd, std::uint64_t offset, std::span<std::byte> buffer);
int write_fully(int fd, std::uint64_t offset, std::span<const std::byte> buffer);

// fdatasync over EINTR; 0 or an errno value.
int sync_data(int fd);

}  // namespace reflux::io
