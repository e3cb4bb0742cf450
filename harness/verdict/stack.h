// What a whole kernel stack says of its task.
#pragma once

#include "harness/verdict/frames.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace reflux::verdict {

struct Classified {
    std::optional<Wait> wait;        // innermost known wait; nullopt: running, unreadable or unknown
    std::size_t wait_frame = 0;      // its index in the stack, when `wait` is set
    std::optional<Region> reclaim;   // the outermost reclaim entry: memcg_reclaim or direct_reclaim
    std::size_t reclaim_frame = 0;   // its index, when `reclaim` is set
    std::vector<std::size_t> known;  // indexes of all frames with a specific meaning, innermost first
    // The wait happens inside the reclaim.
    [[nodiscard]] bool waits_in_reclaim() const { return wait && reclaim && wait_frame < reclaim_frame; }
};
// Innermost first. A wait counts only if every frame inside of it is a generic helper: an unknown innermost
// function makes the wait unknown.
Classified classify_stack(const std::vector<std::string>& stack);

}  // namespace reflux::verdict
