#include "daemon/fuse/tree.h"

#include <algorithm>

namespace reflux::fuse {

std::optional<struct stat> Tree::attributes(Inode inode) const {
    struct stat status {};
    status.st_ino = inode;
    status.st_uid = owner;
    status.st_gid = group;
    status.st_atim.tv_sec = status.st_mtim.tv_sec = status.st_ctim.tv_sec = time;
    status.st_blksize = 4096;
    switch (inode) {
        case root_inode:
            status.st_mode = S_IFDIR | 0700U;
            status.st_nlink = 2;
            return status;
        case disk_inode:
            status.st_mode = S_IFREG | 0600U;
            status.st_nlink = 1;
            status.st_size = static_cast<off_t>(disk_size.value);
            status.st_blocks = static_cast<blkcnt_t>(disk_size.value / sector_size);
            return status;
        default:
            return std::nullopt;
    }
}

std::optional<Inode> Tree::lookup(Inode parent, std::string_view name) {
    return parent == root_inode && name == disk_name ? std::optional(disk_inode) : std::nullopt;
}

std::uint64_t clip_read(std::uint64_t offset, std::uint64_t length, Bytes size) {
    return offset >= size.value ? 0 : std::min(length, size.value - offset);
}

}  // namespace reflux::fuse
