// The names and inodes that the FUSE filesystem shows:
//
//     disk                      the disk
//     report, report.json       its zones in words
//     zones/cnv/N, zones/seq/N  one zone each, as zonefs shows it (Documentation/filesystems/zonefs.rst)
//
// N counts within the kind, from 0. A kind without zones has no directory; a translated disk has no zones/ at
// all, for its zones are the translation's. Nothing is held for a zone: names and inodes are computed. Pure.
#pragma once

#include "backend/zone/zone_report.h"

#include <array>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string_view>

#include <sys/stat.h>

namespace reflux::fuse {

using Inode = std::uint64_t;
inline constexpr Inode root_inode = 1;  // FUSE_ROOT_ID
inline constexpr Inode disk_inode = 2;
inline constexpr Inode zones_inode = 3;
inline constexpr Inode conventional_inode = 4;
inline constexpr Inode sequential_inode = 5;
inline constexpr Inode report_inode = 6;
inline constexpr Inode report_json_inode = 7;
inline constexpr Inode first_zone_inode = 16;  // zone 0's; those of the others follow

// A name in a directory.
struct Entry {
    Inode inode = 0;
    std::array<char, 24> name{};  // ends in a 0
};

struct Tree {
    Bytes disk_size;
    std::uint64_t conventional = 0;  // zones that are shown
    std::uint64_t sequential = 0;
    uid_t owner = 0;
    gid_t group = 0;
    std::time_t time = 0;  // shown as every time stamp

    [[nodiscard]] std::uint64_t zone_count() const { return conventional + sequential; }
    // All inodes.
    [[nodiscard]] std::uint64_t inode_count() const;
    // The zone whose file it is; nullopt: it is none.
    [[nodiscard]] std::optional<ZoneId> zone_of(Inode inode) const;

    // Attributes of what is no zone's file, which never change; nullopt: no such inode.
    [[nodiscard]] std::optional<struct stat> attributes(Inode inode) const;
    // Of a zone's file, as the zone is now.
    [[nodiscard]] struct stat attributes(Inode inode, const ZoneDescriptor& zone) const;
    // The inode of a name in a directory; nullopt: not there.
    [[nodiscard]] std::optional<Inode> lookup(Inode parent, std::string_view name) const;
    // What stands at a position of a directory, counted from 0, "." and ".." first; nullopt: behind the last,
    // or no directory.
    [[nodiscard]] std::optional<Entry> entry(Inode directory, std::uint64_t position) const;

    static constexpr bool is_directory(Inode inode) {
        return inode == root_inode || (inode >= zones_inode && inode <= sequential_inode);
    }
    static constexpr bool is_report(Inode inode) {
        return inode == report_inode || inode == report_json_inode;
    }

  private:
    [[nodiscard]] bool exists(Inode inode) const;
    [[nodiscard]] std::optional<Entry> child(Inode directory, std::uint64_t index) const;
    [[nodiscard]] std::uint64_t child_count(Inode directory) const;
    [[nodiscard]] struct stat basic_attributes(Inode inode) const;
};

}  // namespace reflux::fuse
