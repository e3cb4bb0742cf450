// Kprobe events, where the kernel has them: what no tracepoint tells. kprobe_events is one file for the whole
// machine, so the events of a run stand in a group of their own, named after the run, and only that group is
// made and removed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace reflux::observe {

// The group of a run: its name as a C identifier, which is what the kernel takes.
// "reflux-2026-1" gives "reflux_2026_1".
std::string probe_group(std::string_view run_name);

struct TraceProbes {
    std::string group;
    std::vector<std::string> events;  // made: "prune_icache_sb"
    std::string problem;              // why some were not made; empty: all are there
};
// Defines prune_dcache_sb and prune_icache_sb in `group`, each with the dev_t of the superblock that is
// pruned. super_cache_scan calls both when the gfp mask allows it to enter filesystems, and neither
// otherwise. An event that cannot be made is a problem and no error: the evidence is weaker without it.
// The caller journals TRACEFS/events/GROUP before: undoing the journal is what removes the events.
TraceProbes define_probes(const std::string& tracefs_dir, const std::string& group);

}  // namespace reflux::observe
