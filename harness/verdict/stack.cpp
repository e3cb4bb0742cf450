#include "harness/verdict/stack.h"

namespace reflux::verdict {

Classified classify_stack(const std::vector<std::string>& stack) {
    Classified result;
    bool seeking = true;  // every frame up to here is a generic helper
    for (std::size_t i = 0; i < stack.size(); ++i) {
        const Frame* frame = find_frame(stack[i]);
        if (frame == nullptr) {
            seeking = false;
            continue;
        }
        if (seeking && frame->wait && (!frame->generic || !result.wait)) {
            result.wait = frame->wait;
            result.wait_frame = i;
        }
        seeking = seeking && frame->generic;
        if (frame->region == Region::memcg_reclaim || frame->region == Region::direct_reclaim) {
            result.reclaim = frame->region;
            result.reclaim_frame = i;
        }
        if (!frame->generic) {
            result.known.push_back(i);
        }
    }
    return result;
}

}  // namespace reflux::verdict
