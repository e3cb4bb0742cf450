// The names of the front ends (rows of stack/front_end.h, whose tests hold both lists alike).
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::scenario {

struct FrontEndName {
    std::string_view name;
    bool has_daemon;
    bool is_zoned;  // the kernel sees its zones
    std::string_view description;
};

inline constexpr std::array front_ends{
    FrontEndName{"fuse", true, false, "a file that a FUSE daemon serves, behind a loop device"},
    FrontEndName{"tcmu", true, true, "a SCSI disk whose commands a user-space handler answers, on tcm_loop"},
    FrontEndName{"ublk", true, true, "refluxd's ublk device"},
    FrontEndName{"nbd", true, false, "the kernel's NBD client on the socket of a foreign daemon"},
    FrontEndName{"block", true, false, "a block device that a foreign daemon makes by its own means"},
    FrontEndName{"loop", false, false, "control: a loop device straight on a lower file"},
    FrontEndName{"null_blk", false, true, "control: the kernel's own zoned disk, in memory"},
    FrontEndName{"scsi_debug", false, true, "control: the kernel's own emulated SCSI disk, in memory"}};

inline const FrontEndName* find_front_end(std::string_view name) {
    const auto* const found = std::ranges::find(front_ends, name, &FrontEndName::name);
    return found == front_ends.end() ? nullptr : &*found;
}

inline bool has_daemon(std::string_view front_end) {
    const auto* const row = find_front_end(front_end);
    return row != nullptr && row->has_daemon;
}

inline std::vector<std::string> front_end_names() {
    std::vector<std::string> names;
    names.reserve(front_ends.size());
    for (const auto& row : front_ends) {
        names.emplace_back(row.name);
    }
    return names;
}

}  // namespace reflux::scenario
