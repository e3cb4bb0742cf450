#include "backend/io/transfer.h"

#include <unistd.h>

namespace reflux::io {
namespace {

int flush(int fd) {
    int result = 0;
    do {
        result = ::fdatasync(fd);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

int perform_io(int fd, Request& request) {
    switch (request.operation) {
        case Operation::read:
            return read_fully(fd, request.offset, request.buffer);
        case Operation::write:
            return write_fully(fd, request.offset, request.buffer);
        case Operation::flush:
            return flush(fd);
    }
    return EINVAL;
}

}  // namespace

int read_fully(int fd, std::uint64_t offset, std::span<std::byte> buffer) {
    while (!buffer.empty()) {
        const ssize_t n = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(offset));
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

int write_fully(int fd, std::uint64_t offset, std::span<const std::byte> buffer) {
    while (!buffer.empty()) {
        const ssize_t n = ::pwrite(fd, buffer.data(), buffer.size(), static_cast<off_t>(offset));
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

void perform(int fd, Request& request) {
    int error = request.begin != nullptr ? request.begin(request) : 0;
    if (error == 0) {
        error = perform_io(fd, request);
    }
    request.complete(request, error);
}

}  // namespace reflux::io
