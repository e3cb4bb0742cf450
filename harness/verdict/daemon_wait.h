// What one daemon thread waits for: rule 1 of wait_graph.h.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/watch.h"

#include <string>
#include <string_view>
#include <vector>

namespace reflux::verdict {

struct DaemonWait {
    enum class Target { upper_device, served, lower_device, unknown };
    Target target = Target::unknown;
    std::string fact;  // what shows it; if it is unknown, why
    // It can be part of a cycle.
    [[nodiscard]] bool blocks() const { return target == Target::upper_device || target == Target::served; }
};
// `tasks` are all of the stall's.
DaemonWait daemon_wait(const evidence::Evidence& evidence, const Watched& task,
                       const std::vector<Watched>& tasks);

// The write function at whose lock a motionless task waits; empty: it does not.
std::string_view entry_lock(const Watched& task);

}  // namespace reflux::verdict
