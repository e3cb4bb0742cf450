// Memory cgroups of a run, v1 or v2, one tree for both:
//     reflux-ID/           no limit, no members
//       pressed/           the limit; members: daemon and workload (placement shared)
//         daemon/ workload/    (placement siblings, and workload for apart)
//       apart/             the daemon, for placement apart; no limit but one of its own
//       helpers/           no limit: mkfs, mount, relief helpers
// Daemon, workload, mkfs, mount, verifier and relief helpers live in it, so that `clean` finds them; the
// short calls by which things are attached and unmounted end with the harness. The harness itself stays
// outside.
#pragma once

#include "backend/base/result.h"
#include "backend/base/units.h"
#include "harness/journal/journal.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace reflux::pressure {

enum class Version { v1, v2 };

enum class DaemonPlace { with_workload, sibling, apart };

struct MemcgPlan {
    Version version = Version::v2;
    std::string hierarchy;       // where the hierarchy with the memory controller is mounted
    std::optional<Bytes> limit;  // nullopt: no limit
    DaemonPlace daemon = DaemonPlace::with_workload;
    std::optional<Bytes> daemon_limit;  // for a memcg of the daemon's own (sibling, apart)
};

// A limit that was set.
struct Limit {
    std::string cgroup;
    Bytes bytes;
};

struct Memcg {
    Version version = Version::v2;
    std::string pressed;        // path of the limited cgroup
    std::vector<Limit> limits;  // of it, and of the daemon's own; none where nothing presses
    std::string daemon_procs;   // "…/cgroup.procs" that the daemon enters
    std::string workload;       // cgroup of the workload
    std::string workload_procs;
    std::string helper_procs;
    std::string helper_tasks;  // v1: the file by which a single thread enters the helpers' cgroup; empty: v2
};

// Makes the tree and sets the limit. Swap is off in it, so that the result does not depend on the host's
// swap.
Result<Memcg> make_memcg(const MemcgPlan& plan, journal::Journal& journal);

// The daemon's control thread answers the harness out of the daemon's memcg: what the kernel allocates for
// its answers (socket buffers) would enter the reclaim that is to be watched, and hang the watcher's source.
// v1 lets a single thread leave (its page cache and anonymous memory stay charged to the process); v2 does
// not: nothing is done.
Status spare_control_thread(const Memcg& memcg, int tid);

// Relief rung: raises all limits to `factor` times what they are. Raising reclaims nothing, so it does not
// block.
Status raise_limits(const Memcg& memcg, std::uint64_t factor);
// Takes the raise back. Lowering makes room first, so it may block in reclaim (v1: until it succeeds, fails
// with EBUSY or is killed, and the limit is as it was): for a child with a deadline only. With v2 it would
// have processes killed for that room, so it is refused (unsupported) where more than the limit is in use.
Status restore_limits(const Memcg& memcg);
// Takes the limits away; nor does this block.
Status lift_limits(const Memcg& memcg);

}  // namespace reflux::pressure
