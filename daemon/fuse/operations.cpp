#include "daemon/fuse/operations.h"

#include "daemon/base/log.h"

#include <array>
#include <cstring>
#include <utility>

#include <sys/statvfs.h>

namespace reflux::fuse {
namespace {

// Nothing here ever changes, so the kernel need never ask again (seconds).
constexpr double forever = 1e9;

// An answer fails only when the request is gone (interrupted, connection aborted): there is nobody to tell.
void reply_error(fuse_req_t request, int error) {
    static_cast<void>(fuse_reply_err(request, error));
}

Server& server_of(fuse_req_t request) {
    return *static_cast<Server*>(fuse_req_userdata(request));
}

void log_failure(const FuseRequest& request, int error) {
    log_line(fmt::format("{} of {} bytes at {} failed: {}", to_string(request.operation),
                         request.buffer.size(), request.offset, std::generic_category().message(error)));
}

// The device has done a request; any thread.
void answer(DeviceRequest& done, int error) {
    auto& request = static_cast<FuseRequest&>(done);
    fuse_req_t kernel = request.kernel;
    if (error != 0) {
        log_failure(request, error);
        reply_error(kernel, error);
    } else if (request.operation == DeviceOperation::read) {
        const void* data = request.buffer.data();
        static_cast<void>(fuse_reply_buf(kernel, static_cast<const char*>(data), request.buffer.size()));
    } else if (request.operation == DeviceOperation::write) {
        static_cast<void>(fuse_reply_write(kernel, request.buffer.size()));
    } else {
        reply_error(kernel, 0);
    }
    request.pool->give_back(request);
}

FuseRequest& prepare(Server& server, fuse_req_t kernel, DeviceOperation operation, off_t offset) {
    FuseRequest& request = server.requests.take();
    request.kernel = kernel;
    request.operation = operation;
    request.offset = static_cast<std::uint64_t>(offset);
    request.buffer = {};
    request.done = answer;
    return request;
}

void on_init(void* userdata, fuse_conn_info* connection) {
    auto& server = *static_cast<Server*>(userdata);
    connection->max_write = largest_transfer;
    // Data passes through our buffers: a pipe in between only costs.
    connection->want &=
        ~static_cast<unsigned>(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
    server.initialised = true;
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
    const auto inode = Tree::lookup(parent, name);
    fuse_entry_param entry{};
    entry.attr_timeout = entry.entry_timeout = forever;
    if (inode) {
        entry.ino = *inode;
        entry.attr = *server_of(request).tree.attributes(*inode);
    }  // inode 0: a negative entry, kept as long
    static_cast<void>(fuse_reply_entry(request, &entry));
}

void on_getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info* /*file*/) {
    const auto attributes = server_of(request).tree.attributes(inode);
    if (!attributes) {
        reply_error(request, ENOENT);
        return;
    }
    static_cast<void>(fuse_reply_attr(request, &*attributes, forever));
}

// A disk has one size and one owner. EINVAL is what ftruncate gives on a block device.
void on_setattr(fuse_req_t request, fuse_ino_t /*inode*/, struct stat* /*wanted*/, int to_set,
                fuse_file_info* /*file*/) {
    const auto wanted = static_cast<unsigned>(to_set);
    reply_error(request, (wanted & static_cast<unsigned>(FUSE_SET_ATTR_SIZE)) != 0 ? EINVAL : EPERM);
}

void on_open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
    if (inode != disk_inode) {
        reply_error(request, EISDIR);
        return;
    }
    file->direct_io = 1;
    static_cast<void>(fuse_reply_open(request, file));
}

void on_read(fuse_req_t kernel, fuse_ino_t /*inode*/, std::size_t size, off_t offset,
             fuse_file_info* /*file*/) {
    Server& server = server_of(kernel);
    const auto on_disk = clip_read(static_cast<std::uint64_t>(offset), size, server.tree.disk_size);
    FuseRequest& request = prepare(server, kernel, DeviceOperation::read, offset);
    if (on_disk > request.read_buffer.size()) {  // the kernel asks for at most largest_transfer
        answer(request, EINVAL);
        return;
    }
    request.buffer = request.read_buffer.first(on_disk);
    if (on_disk == 0) {
        answer(request, 0);
        return;
    }
    server.disk.submit(request);
}

void on_write(fuse_req_t kernel, fuse_ino_t /*inode*/, const char* data, std::size_t size, off_t offset,
              fuse_file_info* /*file*/) {
    Server& server = server_of(kernel);
    FuseRequest& request = prepare(server, kernel, DeviceOperation::write, offset);
    // The data lies in the received message, which is ours; the callback's type says const.
    void* bytes = const_cast<char*>(data);  // NOLINT(*-const-cast)
    request.buffer = {static_cast<std::byte*>(bytes), size};
    if (!server.disk.is_inline()) {
        // The device works on the data after this returns: the request keeps the message, the reader takes
        // another.
        request.message = std::exchange(server.received.mem, nullptr);
    }
    server.disk.submit(request);
}

void on_fsync(fuse_req_t kernel, fuse_ino_t /*inode*/, int /*data_only*/, fuse_file_info* /*file*/) {
    Server& server = server_of(kernel);
    server.disk.submit(prepare(server, kernel, DeviceOperation::flush, 0));
}

// Called at every close(2): nothing is kept back for it.
void on_flush(fuse_req_t request, fuse_ino_t /*inode*/, fuse_file_info* /*file*/) {
    reply_error(request, 0);
}

void on_readdir(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
                fuse_file_info* /*file*/) {
    struct Entry {
        const char* name;
        Inode inode;
    };
    static constexpr std::array entries{Entry{.name = ".", .inode = root_inode},
                                        Entry{.name = "..", .inode = root_inode},
                                        Entry{.name = disk_name.data(), .inode = disk_inode}};
    if (inode != root_inode) {
        reply_error(request, ENOTDIR);
        return;
    }
    std::array<char, 512> buffer{};
    const std::size_t room = std::min(size, buffer.size());
    std::size_t used = 0;
    for (auto i = static_cast<std::size_t>(offset); i < entries.size(); ++i) {
        const auto attributes = server_of(request).tree.attributes(entries[i].inode);
        const std::size_t needed = fuse_add_direntry(request, &buffer[used], room - used, entries[i].name,
                                                     &*attributes, static_cast<off_t>(i + 1));
        if (needed > room - used) {
            break;
        }
        used += needed;
    }
    static_cast<void>(fuse_reply_buf(request, buffer.data(), used));
}

void on_statfs(fuse_req_t request, fuse_ino_t /*inode*/) {
    struct statvfs status {};
    status.f_bsize = status.f_frsize = 4096;
    status.f_blocks = server_of(request).tree.disk_size.value / status.f_frsize;
    status.f_files = 2;
    status.f_namemax = 255;
    static_cast<void>(fuse_reply_statfs(request, &status));
}

// Whatever would change the tree: it is read-only, only the disk's data is not.
template <class... Arguments>
void refuse_change(fuse_req_t request, Arguments... /*ignored*/) {
    reply_error(request, EROFS);
}

}  // namespace

const fuse_lowlevel_ops& operations() {
    static const fuse_lowlevel_ops table = [] {
        fuse_lowlevel_ops ops{};
        ops.init = on_init;
        ops.lookup = on_lookup;
        ops.getattr = on_getattr;
        ops.setattr = on_setattr;
        ops.open = on_open;
        ops.read = on_read;
        ops.write = on_write;
        ops.flush = on_flush;
        ops.fsync = on_fsync;
        ops.readdir = on_readdir;
        ops.statfs = on_statfs;
        ops.mknod = refuse_change;
        ops.mkdir = refuse_change;
        ops.symlink = refuse_change;
        ops.link = refuse_change;
        ops.unlink = refuse_change;
        ops.rmdir = refuse_change;
        ops.rename = refuse_change;
        ops.create = refuse_change;
        return ops;
    }();
    return table;
}

}  // namespace reflux::fuse
