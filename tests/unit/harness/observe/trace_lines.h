// Lines of a trace as the kernel prints them, and a parser for them.
#pragma once

#include "harness/observe/trace_parser.h"

#include <string>

#include <fmt/format.h>

namespace reflux::observe {

inline std::string line(int tid, double time, const std::string& event) {
    return fmt::format("              dd-{:<7} [001] ..... {:12.6f}: {}\n", tid, time, event);
}
inline const std::string begin_memcg =
    "mm_vmscan_memcg_reclaim_begin: order=0 gfp_flags=GFP_HIGHUSER_MOVABLE";
inline const std::string end_memcg = "mm_vmscan_memcg_reclaim_end: nr_reclaimed=32";

inline TraceParser parser_for(const std::string& upper, const std::string& lower, double start = 0) {
    TraceParser parser(start);
    parser.set_devices({.upper = upper, .lower = lower, .upper_alias = "btrfs-2", .lower_alias = {}});
    return parser;
}

}  // namespace reflux::observe
