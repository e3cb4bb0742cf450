#include "backend/io/transfer.h"

#include <unistd.h>

namespace reflux::io {
namespace {

// The same calls for both ways: after a short transfer the rest may be one that cannot go direct.
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

auto only(int fd) {
    return [fd](std::uint64_t, std::span<const std::byte>) { return fd; };
}

int perform_io(const LowerFile& file, Request& request) {
    const auto fd_for = [&](std::uint64_t offset, std::span<const std::byte> buffer) {
        return file.fd_for(offset, buffer);
    };
    switch (request.operation) {
        case Operation::read:
            return transfer_fully(fd_for, request.offset, request.buffer, ::pread);
        case Operation::write:
            return transfer_fully(fd_for, request.offset, request.buffer, ::pwrite);
        case Operation::flush:
            return sync_data(file.buffered());
    }
    return EINVAL;
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

void perform(const LowerFile& file, Request& request) {
    int error = request.begin != nullptr ? request.begin(request) : 0;
    if (error == 0) {
        error = perform_io(file, request);
    }
    request.complete(request, error);
}

}  // namespace reflux::io
