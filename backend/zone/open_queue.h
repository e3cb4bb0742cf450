// The implicitly open zones of a disk in the order in which they were opened, so that the one to be closed
// for another is found at once, however many zones there are. Its memory goes by how many zones may be open,
// not by how many there are: with usual limits it stays in the processor's caches. No allocation after
// construction.
#pragma once

#include "backend/base/units.h"

#include <bit>
#include <cstdint>
#include <vector>

namespace reflux {

class OpenQueue {
  public:
    // For so many zones at once. With 0 it keeps nothing and takes no memory: for a disk without a limit.
    explicit OpenQueue(std::uint64_t most) {
        if (most != 0) {
            nodes_.resize(most + 1);  // the first is the ring's two ends
            buckets_.resize(std::bit_ceil(most));
            for (std::uint32_t slot = 1; slot < nodes_.size(); ++slot) {
                nodes_[slot].next = slot + 1 < nodes_.size() ? slot + 1 : none;
            }
            free_ = 1;
        }
    }

    // The zone is not in the queue, and there is room; it comes last.
    void push(ZoneId zone) {
        if (nodes_.empty()) {
            return;
        }
        const std::uint32_t slot = free_;
        std::uint32_t& bucket = bucket_of(zone);
        free_ = nodes_[slot].next;
        nodes_[slot] = {.zone = static_cast<std::uint32_t>(zone.value),
                        .before = nodes_[ends].before,
                        .after = ends,
                        .next = bucket};
        bucket = slot;
        nodes_[nodes_[slot].before].after = slot;
        nodes_[ends].before = slot;
    }
    // The zone is in the queue.
    void remove(ZoneId zone) {
        if (nodes_.empty()) {
            return;
        }
        std::uint32_t* link = &bucket_of(zone);
        while (nodes_[*link].zone != zone.value) {
            link = &nodes_[*link].next;
        }
        const std::uint32_t slot = *link;
        Node& node = nodes_[slot];
        *link = node.next;
        nodes_[node.before].after = node.after;
        nodes_[node.after].before = node.before;
        node.next = free_;
        free_ = slot;
    }
    // The zone that has been in it for longest of those that are preferred, or else of all. There is one.
    template <class IsPreferred>
    [[nodiscard]] ZoneId oldest(IsPreferred is_preferred) const {
        for (std::uint32_t slot = nodes_[ends].after; slot != ends; slot = nodes_[slot].after) {
            if (const ZoneId zone{nodes_[slot].zone}; is_preferred(zone)) {
                return zone;
            }
        }
        return {nodes_[nodes_[ends].after].zone};
    }

  private:
    static constexpr std::uint32_t ends = 0;
    static constexpr std::uint32_t none = 0;  // behind the last of a bucket, or of the free ones

    struct Node {
        std::uint32_t zone = 0;
        std::uint32_t before = ends;
        std::uint32_t after = ends;
        std::uint32_t next = none;  // in its bucket, or among the free ones
    };

    // By the upper bits of a product with an odd number near 2^64 divided by the golden ratio, so that
    // neighbours lie apart.
    [[nodiscard]] std::uint32_t& bucket_of(ZoneId zone) {
        const std::uint64_t hash = zone.value * 0x9e3779b97f4a7c15U;
        return buckets_[(hash >> 32U) & (buckets_.size() - 1)];
    }

    std::vector<Node> nodes_;             // a ring, from `ends` on, through those in use
    std::vector<std::uint32_t> buckets_;  // heads of lists of nodes; `none` is an empty one
    std::uint32_t free_ = none;

  public:
    static constexpr std::size_t most_bytes_a_zone = sizeof(Node) + 2 * sizeof(std::uint32_t);
};

}  // namespace reflux
