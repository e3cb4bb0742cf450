#include "backend/io/transfer.h"

#include <unistd.h>

namespace reflux::io {
namespace {

auto only(int fd) {
    return [fd](std::uint64_t, std::span<const std::byte>) { return fd; };
}

}  // namespace

int read_fully(int fd, std::uint64_t offset, std::span<std::byte> buffer) {
    return transfer_fully(only(fd), offset, buffer, ::pread);
}

int write_fully(int fd, std::uint64_t offset, std::span<const std::byte> buffer) {
    return transfer_fully(only(fd), offset, buffer, ::pwrite);
}

int sync_data(int fd) {
    int result = 0;
    do {
        result = ::fdatasync(fd);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

}  // namespace reflux::io
