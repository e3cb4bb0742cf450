#include "daemon/fuse/operations.h"

#include "daemon/fuse/report_file.h"
#include "daemon/fuse/zone_file.h"

#include <array>
#include <cstring>
#include <memory>

#include <sys/statvfs.h>

namespace reflux::fuse {
namespace {

// Names, and attributes of what is no zone's file: they never change, so the kernel need never ask again
// (seconds).
constexpr double forever = 1e9;
// Attributes of a zone's file. Its size and mode change by other doors than the file: a write to the disk's
// file, the control socket. Told to the kernel each time (fuse_lowlevel_notify_inval_inode), that would be
// one more call on the I/O path of every write, and one that takes locks which the writer may hold. So the
// kernel keeps nothing and asks: a stat is one message more. A size it remembers all the same, and asks for
// no new one in asynchronous reads at or beyond it (fuse_direct_IO gives 0), splice and sendfile.
constexpr double not_at_all = 0;

// An answer fails only when the request is gone (interrupted, connection aborted): there is nobody to tell.
void reply_error(fuse_req_t request, int error) {
    static_cast<void>(fuse_reply_err(request, error));
}

Server& server_of(fuse_req_t request) {
    return *static_cast<Server*>(fuse_req_userdata(request));
}

void on_init(void* userdata, fuse_conn_info* connection) {
    auto& server = *static_cast<Server*>(userdata);
    connection->max_write = largest_transfer;
    // Data passes through our buffers: a pipe in between only costs.
    connection->want &=
        ~static_cast<unsigned>(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
    server.initialised = true;
}

double attribute_timeout(const View& view, Inode inode) {
    return view.tree.zone_of(inode) ? not_at_all : forever;
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
    const View& view = server_of(request).view;
    const auto inode = view.tree.lookup(parent, name);
    fuse_entry_param entry{};
    entry.attr_timeout = entry.entry_timeout = forever;
    if (inode) {
        entry.ino = *inode;
        entry.attr = *view.attributes(*inode);
        entry.attr_timeout = attribute_timeout(view, *inode);
    }  // inode 0: a negative entry, kept as long
    static_cast<void>(fuse_reply_entry(request, &entry));
}

void on_getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info* /*file*/) {
    const View& view = server_of(request).view;
    const auto attributes = view.attributes(inode);
    if (!attributes) {
        reply_error(request, ENOENT);
        return;
    }
    static_cast<void>(fuse_reply_attr(request, &*attributes, attribute_timeout(view, inode)));
}

// A disk has one size and one owner. EINVAL is what ftruncate gives on a block device. The sizes of zones'
// files are data_path.h's.
void on_setattr(fuse_req_t request, fuse_ino_t /*inode*/, struct stat* /*wanted*/, int to_set,
                fuse_file_info* /*file*/) {
    const auto wanted = static_cast<unsigned>(to_set);
    reply_error(request, (wanted & static_cast<unsigned>(FUSE_SET_ATTR_SIZE)) != 0 ? EINVAL : EPERM);
}

// What fi->fh of an open report is.
ReportFile* report_of(const fuse_file_info& file) {
    // NOLINTNEXTLINE(*-reinterpret-cast, performance-no-int-to-ptr): on_open put it there
    return reinterpret_cast<ReportFile*>(file.fh);
}

void end_report(Server& server, Inode inode, std::uint64_t handle) {
    if (Tree::is_report(inode)) {
        const std::lock_guard lock(server.reports_mutex);
        server.reports.erase(handle);
    }
}

// An errno value, or 0: it can be opened so.
int check_open(const View& view, Inode inode, int flags) {
    const bool for_writing = (flags & O_ACCMODE) != O_RDONLY;
    const auto zone = view.tree.zone_of(inode);
    if (Tree::is_directory(inode)) {
        return EISDIR;
    }
    if (inode == disk_inode && (flags & O_TRUNC) != 0) {  // the kernel would take its size for 0
        return EINVAL;
    }
    const bool is_worn = zone && !may_write(view.zones.describe(*zone));
    return for_writing && (is_worn || Tree::is_report(inode)) ? EPERM : 0;
}

void on_open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
    Server& server = server_of(request);
    const View& view = server.view;
    if (const int error = check_open(view, inode, file->flags); error != 0) {
        reply_error(request, error);
        return;
    }
    if (Tree::is_report(inode)) {
        const auto format = inode == report_inode ? ReportFormat::text : ReportFormat::json;
        auto report = std::make_unique<ReportFile>(view.zones, format);
        file->fh = reinterpret_cast<std::uint64_t>(report.get());  // NOLINT(*-reinterpret-cast)
        const std::lock_guard lock(server.reports_mutex);
        server.reports.emplace(file->fh, std::move(report));
    }
    file->direct_io = 1;
    if (fuse_reply_open(request, file) != 0) {  // whoever opened it is gone: no release will come
        end_report(server, inode, file->fh);
    }
}

void on_release(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
    end_report(server_of(request), inode, file->fh);
    reply_error(request, 0);
}

// Of reports alone.
void on_read(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info* file) {
    if (!Tree::is_report(inode)) {
        reply_error(request, EISDIR);
        return;
    }
    const std::string text = report_of(*file)->read(static_cast<std::uint64_t>(offset), size);
    static_cast<void>(fuse_reply_buf(request, text.data(), text.size()));
}

// Of what the disk is not asked for: nothing is kept back. Answered at all, for at an ENOSYS the kernel would
// send no fsync of any file any more, nor a fallocate.
void on_fsync(fuse_req_t request, fuse_ino_t /*inode*/, int /*only_data*/, fuse_file_info* /*file*/) {
    reply_error(request, 0);
}

void on_fallocate(fuse_req_t request, fuse_ino_t /*inode*/, int /*mode*/, off_t /*offset*/, off_t /*length*/,
                  fuse_file_info* /*file*/) {
    reply_error(request, EOPNOTSUPP);
}

// Called at every close(2): nothing is kept back for it.
void on_flush(fuse_req_t request, fuse_ino_t /*inode*/, fuse_file_info* /*file*/) {
    reply_error(request, 0);
}

void on_readdir(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
                fuse_file_info* /*file*/) {
    const Tree& tree = server_of(request).view.tree;
    if (!Tree::is_directory(inode)) {
        reply_error(request, ENOTDIR);
        return;
    }
    std::array<char, 16384> buffer;  // NOLINT(*-member-init): what is filled is sent
    const std::size_t room = std::min(size, buffer.size());
    std::size_t used = 0;
    auto position = static_cast<std::uint64_t>(offset);
    while (const auto entry = tree.entry(inode, position)) {
        struct stat kind {};
        kind.st_ino = entry->inode;
        kind.st_mode = Tree::is_directory(entry->inode) ? S_IFDIR : S_IFREG;
        const std::size_t needed =
            fuse_add_direntry(request, buffer.data() + used, room - used, entry->name.data(), &kind,
                              static_cast<off_t>(++position));
        if (needed > room - used) {
            break;
        }
        used += needed;
    }
    static_cast<void>(fuse_reply_buf(request, buffer.data(), used));
}

// What could still be written in the sequential zones that are shown. A conventional zone is never empty.
Bytes free_bytes(const View& view) {
    Bytes free{0};
    std::array<ZoneDescriptor, 512> portion;
    for (ZoneId next{view.tree.conventional}; next.value < view.tree.zone_count();) {
        const std::size_t count = view.zones.report(next, portion);
        for (const auto& zone : std::span(portion).first(count)) {
            free += may_write(zone) ? zone.capacity - zone_file_size(zone) : Bytes{0};
        }
        next.value += count;
    }
    return free;
}

void on_statfs(fuse_req_t request, fuse_ino_t /*inode*/) {
    const View& view = server_of(request).view;
    struct statvfs status {};
    status.f_bsize = status.f_frsize = 4096;
    status.f_blocks = view.tree.disk_size.value / status.f_frsize;
    status.f_bfree = status.f_bavail = free_bytes(view).value / status.f_frsize;
    status.f_files = view.tree.inode_count();
    status.f_namemax = 255;
    static_cast<void>(fuse_reply_statfs(request, &status));
}

// Whatever would change the tree: it is read-only, only the data is not.
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
        ops.release = on_release;
        ops.read = on_read;
        ops.fsync = on_fsync;
        ops.fallocate = on_fallocate;
        ops.flush = on_flush;
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
