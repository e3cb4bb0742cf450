// The families of stalls: the rows of the project's list, which every scenario file belongs to one of. The
// one table of them; `reflux list scenarios` groups by it, docs/families.md has a section for each.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::scenario {

struct FamilyRow {
    std::string_view id;  // the key `family` of a scenario
    std::string_view title;
};

// Seeds: mail threads. S: shapes from the field. Numbers that are missing were given up in planning.
inline constexpr std::array families{
    FamilyRow{"A", "page reclaim deadlock under a user-space block daemon, 2019: the whole stack"},
    FamilyRow{"B", "allocation that a commit of XFS waits for, under its log, 2015"},
    FamilyRow{"C", "livelock without swap, GFP_NOFS, cured by drop_caches, 2014"},
    FamilyRow{"D", "allocation in the I/O submission path of new io cgroups, 2011"},
    FamilyRow{"E", "OOM victim behind a lock of the task that allocates, 2015"},
    FamilyRow{"S1", "reclaim of the daemon enters a shrinker of the filesystem above it"},
    FamilyRow{"S2", "the daemon allocates in a socket send"},
    FamilyRow{"S3", "dirty throttling of the daemon, for pages that only it can clean"},
    FamilyRow{"S4", "cgroup v1: reclaim waits for writeback that only the daemon can end"},
    FamilyRow{"S5", "reclaim of others waits for a server that is busy"},
    FamilyRow{"S6", "compaction waits for a page or buffer under the daemon's own I/O"},
    FamilyRow{"S8", "sync with a server that does not answer"},
    FamilyRow{"S9", "the last reference of an inode, dropped by a shrinker, starts I/O"},
    FamilyRow{"S10", "what a mitigation costs"},
    FamilyRow{"S11", "swap on the daemon's disk"},
    FamilyRow{"S12", "freeze, resize and queue changes while the daemon allocates"},
    FamilyRow{"S14", "storage server and mounted client on one host"},
    FamilyRow{"S15", "marks that come after a pool's threads"},
    FamilyRow{"S16", "shrinkers of the device mapper"},
    FamilyRow{"trial", "trials of the verdict itself: faults injected on purpose"},
};

// All of them, and "" for none.
inline std::vector<std::string> family_ids() {
    std::vector<std::string> ids;
    ids.reserve(families.size() + 1);
    for (const auto& row : families) {
        ids.emplace_back(row.id);
    }
    ids.emplace_back("");
    return ids;
}

}  // namespace reflux::scenario
