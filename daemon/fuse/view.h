// What the FUSE filesystem shows: its tree, and the disks behind the files. Shared by all readers.
#pragma once

#include "backend/zoned_device.h"
#include "daemon/fuse/tree.h"

namespace reflux::fuse {

// Messages carry at most so much data.
inline constexpr std::size_t largest_transfer = std::size_t{1} << 20U;

struct View {
    Tree tree;
    Disk& disk;                // the file disk; where zones are shown, `zones` itself
    const ZonedDevice& zones;  // whose zones are reported, and shown unless it is translated

    // Attributes as they are now; nullopt: no such inode.
    [[nodiscard]] std::optional<struct stat> attributes(Inode inode) const {
        const auto zone = tree.zone_of(inode);
        return zone ? tree.attributes(inode, zones.describe(*zone)) : tree.attributes(inode);
    }
};

}  // namespace reflux::fuse
