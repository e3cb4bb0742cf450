// The two inodes that the FUSE filesystem shows: the root directory and the file "disk" in it. Pure.
#pragma once

#include "backend/base/units.h"

#include <cstdint>
#include <ctime>
#include <optional>
#include <string_view>

#include <sys/stat.h>

namespace reflux::fuse {

using Inode = std::uint64_t;
inline constexpr Inode root_inode = 1;  // FUSE_ROOT_ID
inline constexpr Inode disk_inode = 2;
inline constexpr std::string_view disk_name = "disk";

struct Tree {
    Bytes disk_size;
    uid_t owner = 0;
    gid_t group = 0;
    std::time_t time = 0;  // shown as every time stamp

    // Attributes; nullopt: no such inode.
    [[nodiscard]] std::optional<struct stat> attributes(Inode inode) const;
    // The inode of a name in a directory; nullopt: not there.
    [[nodiscard]] static std::optional<Inode> lookup(Inode parent, std::string_view name);
};

// How much of a read of `length` bytes at `offset` lies on a disk of `size` bytes: a file ends, a disk
// refuses.
std::uint64_t clip_read(std::uint64_t offset, std::uint64_t length, Bytes size);

}  // namespace reflux::fuse
