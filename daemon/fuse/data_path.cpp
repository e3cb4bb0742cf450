#include "daemon/fuse/data_path.h"

#include "daemon/base/log.h"
#include "daemon/fuse/zone_file.h"

#include <array>
#include <cerrno>

#include <sys/uio.h>

namespace reflux::fuse {
namespace {

void log_failure(const FuseRequest& request, int error) {
    log_line(fmt::format("{} of {} bytes at {} failed: {}", to_string(request.operation), length_of(request),
                         request.offset, std::generic_category().message(error)));
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

template <class Body>
void reply_with(const FuseRequest& request, const Body& body) {
    reply(request, 0, std::as_bytes(std::span(&body, 1)));
}

fuse_attr to_fuse(const struct stat& status) {
    return {.ino = status.st_ino,
            .size = static_cast<std::uint64_t>(status.st_size),
            .blocks = static_cast<std::uint64_t>(status.st_blocks),
            .atime = static_cast<std::uint64_t>(status.st_atim.tv_sec),
            .mtime = static_cast<std::uint64_t>(status.st_mtim.tv_sec),
            .ctime = static_cast<std::uint64_t>(status.st_ctim.tv_sec),
            .mode = status.st_mode,
            .nlink = static_cast<std::uint32_t>(status.st_nlink),
            .uid = status.st_uid,
            .gid = status.st_gid,
            .blksize = static_cast<std::uint32_t>(status.st_blksize)};
}

void reply_well(const FuseRequest& request) {
    switch (request.kind) {
        case MessageKind::read:
            return reply(request, 0, request.buffer);
        case MessageKind::write:
            return reply_with(request, fuse_write_out{.size = static_cast<std::uint32_t>(request.length)});
        case MessageKind::truncate:
            // Of a zone's file: not to be kept (operations.cpp).
            return reply_with(request,
                              fuse_attr_out{.attr = to_fuse(*request.view->attributes(request.inode))});
        case MessageKind::open_truncated:
            return reply_with(request, fuse_open_out{.open_flags = FOPEN_DIRECT_IO});
        case MessageKind::fsync:
        case MessageKind::fallocate:
            break;
    }
    reply(request, 0, {});
}

void end(FuseRequest& request, int error) {
    if (error != 0) {
        reply(request, error, {});
    } else {
        reply_well(request);
    }
    request.pool->give_back(request);
}

// The device has done a request; any thread.
void answer(DeviceRequest& done, int error) {
    auto& request = static_cast<FuseRequest&>(done);
    const bool is_refusal = request.refusal != ZoneError::none;
    const bool is_zone_file = request.inode != disk_inode;
    // That a file refuses an offset, and the disk or the filesystem below it a discard, is no failure of
    // anything.
    const bool is_usual = request.kind == MessageKind::fallocate ? is_refusal || error == EOPNOTSUPP
                                                                 : is_refusal && is_zone_file;
    if (error != 0 && !is_usual) {
        log_failure(request, error);
    }
    if (error == 0 && request.durable) {
        // It has left the device and comes again, as one request still: there is room for it.
        request.durable = false;
        request.operation = DeviceOperation::flush;
        request.buffer = {};
        request.view->disk.submit(request);
        return;
    }
    end(request, is_refusal && is_zone_file ? errno_of_zone_file(request.operation, request.refusal) : error);
}

Plan plan_for(const View& view, const Message& message) {
    const auto zone = view.tree.zone_of(message.inode);
    return zone ? plan_for_zone(message, view.zones.describe(*zone),
                                view.zones.geometry().shape().logical_block_size, largest_transfer)
                : plan_for_disk(message, view.disk.size());
}

constexpr bool moves_data(MessageKind kind) {
    return kind == MessageKind::read || kind == MessageKind::write;
}

}  // namespace

bool is_served(const View& view, const Message& message) {
    const bool truncates =
        message.kind == MessageKind::truncate || message.kind == MessageKind::open_truncated;
    if (message.inode == disk_inode) {
        return !truncates;
    }
    return message.kind != MessageKind::fallocate && view.tree.zone_of(message.inode);
}

void serve_message(const View& view, int fuse_fd, FuseRequest& request, const Message& message) {
    request.view = &view;
    request.kind = message.kind;
    request.inode = message.inode;
    request.fuse_fd = fuse_fd;
    request.unique = message.unique;
    request.durable = message.durable;
    request.done = answer;
    request.buffer = {};
    const Plan plan = plan_for(view, message);
    const bool is_too_long = moves_data(message.kind) && plan.length > request.data.size();
    if (plan.error != 0 || is_too_long) {  // the kernel asks for at most what it was told
        end(request, plan.error != 0 ? plan.error : EINVAL);
        return;
    }
    if (!plan.asks_the_disk) {
        end(request, 0);
        return;
    }
    request.operation = plan.operation;
    request.offset = plan.offset;
    request.length = plan.length;
    request.buffer = request.data.first(moves_data(message.kind) ? plan.length : 0);
    view.disk.submit(request);
}

}  // namespace reflux::fuse
