#include "daemon/fuse/data_path.h"

#include "daemon/base/log.h"
#include "daemon/fuse/tree.h"

#include <array>

#include <sys/uio.h>

namespace reflux::fuse {
namespace {

void log_failure(const FuseRequest& request, int error) {
    log_line(fmt::format("{} of {} bytes at {} failed: {}", to_string(request.operation),
                         request.buffer.size(), request.offset, std::generic_category().message(error)));
}

// An answer fails only when the request is gone (interrupted, connection aborted): there is nobody to tell.
void reply(const FuseRequest& request, int error, std::span<const std::byte> body) {
    fuse_out_header header{.len = static_cast<std::uint32_t>(sizeof(fuse_out_header) + body.size()),
                           .error = -error,
                           .unique = request.unique};
    // iovec has no const; writev changes nothing.
    const std::array parts{iovec{.iov_base = &header, .iov_len = sizeof(header)},
                           iovec{.iov_base = const_cast<std::byte*>(body.data()),  // NOLINT(*-const-cast)
                                 .iov_len = body.size()}};
    [[maybe_unused]] const auto sent =
        ::writev(request.fuse_fd, parts.data(), body.empty() ? 1 : static_cast<int>(parts.size()));
}

// The device has done a request; any thread.
void answer(DeviceRequest& done, int error) {
    auto& request = static_cast<FuseRequest&>(done);
    if (error != 0) {
        log_failure(request, error);
        reply(request, error, {});
    } else if (request.operation == DeviceOperation::read) {
        reply(request, 0, request.buffer);
    } else if (request.operation == DeviceOperation::write) {
        const fuse_write_out written{.size = static_cast<std::uint32_t>(request.buffer.size()), .padding = 0};
        reply(request, 0, std::as_bytes(std::span(&written, 1)));
    } else {
        reply(request, 0, {});
    }
    request.pool->give_back(request);
}

}  // namespace

void serve_transfer(Disk& disk, int fuse_fd, FuseRequest& request, const Transfer& transfer) {
    request.fuse_fd = fuse_fd;
    request.unique = transfer.unique;
    request.operation = transfer.operation;
    request.offset = transfer.offset;
    request.done = answer;
    std::size_t size = transfer.size;
    if (transfer.operation == DeviceOperation::read) {
        size = clip_read(transfer.offset, transfer.size, disk.size());
    }
    if (size > request.data.size()) {  // the kernel asks for at most what it was told
        request.buffer = {};
        answer(request, EINVAL);
        return;
    }
    request.buffer = request.data.first(size);
    if (size == 0 && transfer.operation == DeviceOperation::read) {
        answer(request, 0);
        return;
    }
    disk.submit(request);
}

}  // namespace reflux::fuse
