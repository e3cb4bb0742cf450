#include "daemon/fuse/tree.h"

#include "daemon/base/zone_number.h"
#include "daemon/fuse/zone_file.h"

#include <algorithm>
#include <charconv>

namespace reflux::fuse {
namespace {

struct Named {
    Inode inode;
    Inode parent;
    std::string_view name;
};

// All names but the zones' own. Those of a directory come in this order.
constexpr std::array names{
    Named{.inode = disk_inode, .parent = root_inode, .name = "disk"},
    Named{.inode = report_inode, .parent = root_inode, .name = "report"},
    Named{.inode = report_json_inode, .parent = root_inode, .name = "report.json"},
    Named{.inode = zones_inode, .parent = root_inode, .name = "zones"},
    Named{.inode = conventional_inode, .parent = zones_inode, .name = "cnv"},
    Named{.inode = sequential_inode, .parent = zones_inode, .name = "seq"},
};

Entry entry_of(Inode inode, std::string_view name) {
    Entry entry{.inode = inode};
    std::ranges::copy(name, entry.name.begin());
    return entry;
}

Inode parent_of(Inode directory) {
    const auto* const found = std::ranges::find(names, directory, &Named::inode);
    return found == names.end() ? root_inode : found->parent;
}

constexpr bool holds_zones(Inode directory) {
    return directory == conventional_inode || directory == sequential_inode;
}

}  // namespace

bool Tree::exists(Inode inode) const {
    switch (inode) {
        case root_inode:
        case disk_inode:
        case report_inode:
        case report_json_inode:
            return true;
        case zones_inode:
            return zone_count() > 0;
        case conventional_inode:
            return conventional > 0;
        case sequential_inode:
            return sequential > 0;
        default:
            return zone_of(inode).has_value();
    }
}

std::uint64_t Tree::inode_count() const {
    const auto named = std::ranges::count_if(names, [this](const Named& one) { return exists(one.inode); });
    return 1 + static_cast<std::uint64_t>(named) + zone_count();
}

std::optional<ZoneId> Tree::zone_of(Inode inode) const {
    const bool is_zone = inode >= first_zone_inode && inode - first_zone_inode < zone_count();
    return is_zone ? std::optional(ZoneId{inode - first_zone_inode}) : std::nullopt;
}

struct stat Tree::basic_attributes(Inode inode) const {
    struct stat status {};
    status.st_ino = inode;
    status.st_uid = owner;
    status.st_gid = group;
    status.st_atim.tv_sec = status.st_mtim.tv_sec = status.st_ctim.tv_sec = time;
    status.st_blksize = 4096;
    status.st_nlink = 1;
    return status;
}

std::optional<struct stat> Tree::attributes(Inode inode) const {
    if (!exists(inode) || zone_of(inode)) {
        return std::nullopt;
    }
    struct stat status = basic_attributes(inode);
    if (is_directory(inode)) {
        const auto below = std::ranges::count_if(names, [&](const Named& one) {
            return one.parent == inode && is_directory(one.inode) && exists(one.inode);
        });
        status.st_mode = S_IFDIR | 0700U;
        status.st_nlink = 2 + static_cast<nlink_t>(below);
        status.st_size = static_cast<off_t>(holds_zones(inode) ? child_count(inode) : 0);
    } else if (is_report(inode)) {
        // Its size is not known before it is made; like a file of /proc, it is read to its end.
        status.st_mode = S_IFREG | 0400U;
    } else {
        status.st_mode = S_IFREG | 0600U;
        status.st_size = static_cast<off_t>(disk_size.value);
        status.st_blocks = static_cast<blkcnt_t>(disk_size.value / sector_size);
    }
    return status;
}

struct stat Tree::attributes(Inode inode, const ZoneDescriptor& zone) const {
    struct stat status = basic_attributes(inode);
    status.st_mode = S_IFREG | zone_file_mode(zone);
    status.st_size = static_cast<off_t>(zone_file_size(zone).value);
    // So zonefs tells how large the file can become.
    status.st_blocks = static_cast<blkcnt_t>(zone.capacity.value / sector_size);
    return status;
}

std::optional<Inode> Tree::lookup(Inode parent, std::string_view name) const {
    if (holds_zones(parent)) {
        const auto index = parse_zone_number(name, child_count(parent));
        const std::uint64_t before = parent == sequential_inode ? conventional : 0;
        return index ? std::optional(first_zone_inode + before + *index) : std::nullopt;
    }
    const auto* const found = std::ranges::find_if(
        names, [&](const Named& one) { return one.parent == parent && one.name == name; });
    return found != names.end() && exists(found->inode) ? std::optional(found->inode) : std::nullopt;
}

std::uint64_t Tree::child_count(Inode directory) const {
    return directory == conventional_inode ? conventional : sequential;
}

std::optional<Entry> Tree::child(Inode directory, std::uint64_t index) const {
    if (holds_zones(directory)) {
        if (index >= child_count(directory)) {
            return std::nullopt;
        }
        Entry entry{.inode = first_zone_inode + (directory == sequential_inode ? conventional : 0) + index};
        std::to_chars(entry.name.data(), entry.name.data() + entry.name.size() - 1, index);
        return entry;
    }
    for (const Named& one : names) {
        if (one.parent == directory && exists(one.inode) && index-- == 0) {
            return entry_of(one.inode, one.name);
        }
    }
    return std::nullopt;
}

std::optional<Entry> Tree::entry(Inode directory, std::uint64_t position) const {
    if (!is_directory(directory) || !exists(directory)) {
        return std::nullopt;
    }
    switch (position) {
        case 0:
            return entry_of(directory, ".");
        case 1:
            return entry_of(parent_of(directory), "..");
        default:
            return child(directory, position - 2);
    }
}

}  // namespace reflux::fuse
