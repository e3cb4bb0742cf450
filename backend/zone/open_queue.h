// The implicitly open zones of a disk in the order in which they were opened, so that the one to be closed
// for another is found at once, however many zones there are. 8 bytes a zone, no allocation after
// construction.
#pragma once

#include "backend/base/units.h"

#include <cstdint>
#include <vector>

namespace reflux {

class OpenQueue {
  public:
    struct Link {
        std::uint32_t before = 0;
        std::uint32_t after = 0;
    };

    // For ids below `zones`. With 0 zones it keeps nothing and takes no memory: for a disk without a limit.
    explicit OpenQueue(std::uint64_t zones)
        : links_(zones == 0 ? 0 : zones + 1), end_(static_cast<std::uint32_t>(zones)) {
        if (!links_.empty()) {
            links_[end_] = {.before = end_, .after = end_};
        }
    }

    // The zone is not in the queue; it comes last.
    void push(ZoneId zone) {
        if (!links_.empty()) {
            const auto id = static_cast<std::uint32_t>(zone.value);
            links_[id] = {.before = links_[end_].before, .after = end_};
            links_[links_[id].before].after = id;
            links_[end_].before = id;
        }
    }
    // The zone is in the queue.
    void remove(ZoneId zone) {
        if (!links_.empty()) {
            const Link link = links_[zone.value];
            links_[link.before].after = link.after;
            links_[link.after].before = link.before;
        }
    }
    // The zone that has been in it for longest of those that are preferred, or else of all. There is one.
    template <class IsPreferred>
    [[nodiscard]] ZoneId oldest(IsPreferred is_preferred) const {
        for (std::uint32_t id = links_[end_].after; id != end_; id = links_[id].after) {
            if (is_preferred(ZoneId{id})) {
                return {id};
            }
        }
        return {links_[end_].after};
    }

  private:
    std::vector<Link> links_;  // a ring through the zones in the queue and, at index end_, its two ends
    std::uint32_t end_;
};

}  // namespace reflux
