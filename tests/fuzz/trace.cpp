// The text of a trace instance.
#include "harness/evidence/json.h"
#include "harness/observe/trace_parser.h"
#include "tests/fuzz/support/seeds.h"
#include "tests/fuzz/support/target.h"

namespace reflux::fuzz {
namespace {

// As JSON: it prints every field.
std::string parsed(std::string_view text, std::size_t piece) {
    observe::TraceParser parser(100);
    parser.set_devices({.upper = "7:1", .lower = "7:0", .upper_alias = "btrfs-2", .lower_alias = "btrfs-1"});
    while (!text.empty()) {
        parser.feed(text.substr(0, piece));
        text.remove_prefix(std::min(piece, text.size()));
    }
    evidence::Evidence evidence;
    evidence.trace = parser.summary();
    std::uint64_t counted = 0;
    for (const evidence::ReclaimCount& row : evidence.trace.counts) {
        counted += row.count;
    }
    require(counted <= evidence.trace.reclaim_count, "no reclaim is counted twice");
    for (const evidence::Reclaim& reclaim : evidence.trace.reclaims) {
        require(reclaim.inside.size() <= reclaim.inside_count, "no event of a reclaim is made up");
    }
    return evidence::to_json(evidence);
}

bool run(std::string_view input) {
    const std::string whole = parsed(input, std::max<std::size_t>(input.size(), 1));
    require(parsed(input, 61) == whole, "it does not matter in which pieces the text comes");
    return true;
}

}  // namespace

Target make_target() {
    return {.run = run,
            .seeds = seed_texts("tests/fixtures/observe", ".txt"),
            .words = {"[",
                      "]",
                      " [001] .....   ",
                      ": ",
                      "-901 ",
                      "CPU:1 [LOST 33 EVENTS]\n",
                      "[LOST EVENTS]",
                      "bdi 7:1: ",
                      "bdi btrfs-2: ",
                      "dev 7,1 ",
                      "dev = (7,0), ",
                      "gfp_flags=",
                      "nr_reclaimed=",
                      "mm_vmscan_memcg_reclaim_begin",
                      "mm_vmscan_direct_reclaim_begin",
                      "mm_vmscan_memcg_reclaim_end",
                      "mm_vmscan_direct_reclaim_end",
                      "mm_shrink_slab_start",
                      "mm_vmscan_throttled",
                      "balance_dirty_pages",
                      "folio_wait_writeback",
                      "-2147483648"},
            .may_refuse = false,
            .rounds = 1500};
}

}  // namespace reflux::fuzz
