// The verdict over one run: a pure function of its evidence. It looks at nothing else, so that a saved run is
// judged again on any machine to the same words. The rules, in the order in which they are tried, stand at
// judge().
#pragma once

#include "harness/evidence/evidence.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::verdict {

enum class Outcome {
    completes,
    slow,
    livelock,
    deadlock,
    daemon_killed,
    io_error,
    inconclusive,
    unsupported,
    harness_error,
};
// The word that scenarios and verdict.json use: "completes", "daemon_killed", …
std::string_view to_string(Outcome outcome);

// How far reclaim entered by the daemon's own threads went.
enum class Recursion {
    none,     // no direct or memcg reclaim was entered
    reclaim,  // entered; nothing shows that it reached the upper filesystem
    upper,    // it evicted inodes of, or waited on folios, locks or the journal of the upper device
};
std::string_view to_string(Recursion recursion);

// What the relief ladder showed.
struct Relief {
    std::string rung;               // the first rung that released; "none": none of those that were tried did
    std::optional<double> after_s;  // seconds from that rung's begin to the release; nullopt for "none"
    // "relieved by X after Y s …" or "not relieved: …", and what became of the data that were acknowledged;
    // they are among the reasons.
    std::vector<std::string> sentences;
};

// The thread whose wait decides the verdict, as it was seen last.
struct Proof {
    int tid = 0;
    std::string thread;                 // comm
    char state = '?';                   // as /proc prints it
    double watched_s = 0;               // from the first to the last snapshot that has this thread
    std::uint64_t switches = 0;         // context switches in that time
    std::uint64_t cpu_ticks = 0;        // CPU ticks in that time
    std::vector<std::string> stack;     // innermost first
    std::vector<std::string> deciding;  // the frames of it that the verdict rests on
    std::string gfp_flags;              // of the reclaim it is in, or was in last; empty: not traced
    std::string last_event;             // its last trace event with fields; empty: not traced
    // Of the whole run, all daemon threads:
    std::uint64_t reclaims = 0;
    std::uint64_t slab_shrinks = 0;
    std::uint64_t upper_events = 0;
    std::uint64_t lower_events = 0;
    std::uint64_t throttles = 0;
};

// The reclaim that shows most of how far reclaim went: one that reached the upper filesystem before one that
// did not, one that has not ended before one that did, then the longest.
struct RecursionProof {
    int tid = 0;
    std::string thread;  // comm; empty: older evidence
    std::string kind;    // "memcg" | "direct"
    bool upper = false;  // an event inside it names the upper device
    std::string mask;    // names, bits and what they allow
    std::optional<int> order;
    double begin_s = 0;
    std::optional<double> duration_s;  // up to the stall's detection, if it has not ended
    bool ended = false;
    std::uint64_t reclaimed_pages = 0;
    std::vector<std::string> shrinkers;  // a sentence each, those of the upper filesystem first
    std::vector<std::string> waits;      // a sentence each, one not ended first, then the longest
    std::vector<std::string> stack;      // of its longest wait, innermost first; empty: not traced
};

struct Verdict {
    Outcome outcome = Outcome::inconclusive;
    std::optional<Recursion> recursion;  // nullopt: cannot be known from this evidence
    std::optional<Relief> relief;        // nullopt: no ladder was climbed
    evidence::Expectation expected;
    bool met = false;                  // see judge()
    std::vector<std::string> reasons;  // sentences, each a fact; the first one decides the outcome
    std::vector<std::string> cycle;    // deadlock only: one line an edge, "A -> B: the fact that shows it"
    std::optional<Proof> proof;        // when there was a stall and a thread that explains it
    std::vector<std::string> waiting;  // of a stall: who else waits, "A -> B: why"; B is "?" where not known
    std::optional<RecursionProof> recursion_proof;  // where a reclaim was traced
    std::vector<std::string> incidents;  // what the run shows besides (incidents.h); among the reasons too
};

// Judges. Never fails: evidence that does not suffice is `inconclusive`, with what is missing as a reason.
//
// Outcome, first rule that holds:
//  1. harness_error: evidence.harness_error is set, or daemon_failure: there was no run either way.
//  2. unsupported: unsupported_reason is set, or a mitigation that was asked for is not read back as applied.
//  3. The daemon ended before it was asked to, and before a stall was found (a later end is the work of the
//     relief ladder and decides nothing): by a signal: daemon_killed (by the OOM killer if the
//     kernel log names its pid); by itself: io_error, for its device has lost its server.
//  4. A stall was found:
//     a. every daemon thread is stopped (T, t): inconclusive, somebody stopped it.
//     b. deadlock: a daemon thread in D sits in one unbounded wait (same stack, no context switch from the
//        first to the last snapshot, or through the last half of that time at least: bounded waits may come
//        before it) and the wait graph closes (wait_graph.h says by which facts). Not if that thread left its
//        wait while nothing was done (a "wait" rung before all others).
//     c. livelock: a daemon thread that owes an answer runs or sits in a bounded wait, and its context
//        switches or CPU ticks advanced between the first and the last snapshot, and neither device nor
//        daemon completed anything for (nine tenths of) the stall window.
//     d. else inconclusive.
//     A stack without a daemon (front end "loop") has no cycle through a daemon, so b cannot hold; c is then
//     judged on the tasks of the workload and of the upper device.
//  5. The guest in which the run was made was lost (evidence.guest->end is not "ended"): inconclusive.
//  6. io_error: the workload saw an error, or verified data is wrong.
//  7. The workload finished: completes if its data verified (slow if it took longer than its time budget);
//     inconclusive if nothing was verified.
//  8. It did not finish: slow if the upper device or the daemon went on completing up to the end; else
//     inconclusive. Only their completions count as progress: a writer that overwrites cached pages
//     "progresses" in a hang too.
//
// Recursion: upper, if an event inside a reclaim of a daemon thread names the upper device: an eviction, a
// transaction, a wait for its writeback, or, where the kernel has kprobes, prune_dcache_sb or prune_icache_sb
// of its superblock. The last two are the upper filesystem's shrinker being called: super_cache_scan comes to
// them only with __GFP_FS and the superblock's lock in hand, and returns before them otherwise. The event
// mm_shrink_slab_start shows nothing: it comes for daemons that are marked as IO flushers too, and also where
// the shrinker has too little to be called at all.
// Nor does a shrinker that only forgets memory of its own count (extent status, checkpoint lists). That a
// prune found nothing to free is no excuse, the recursion was open. Reclaim, if a reclaim was traced, or a
// stack of a daemon thread shows one; none, if the trace was available, lost nothing and saw none (or there
// is no daemon at all); else nullopt. A stack alone never shows "upper": no frame names a device.
//
// Relief: of the first rung that released (evidence::ReliefRung says when one has). What was read back after
// it decides no outcome, for the stall has decided; a loss of what an fsync had acknowledged is a reason that
// begins with "LOST".
//
// Incidents decide no outcome: an OOM victim that does not end, a lockdep report, a warning of the kernel and
// the like are reasons behind the one that does. "NOT GONE" is the word for such a victim.
//
// Met: the outcome is among expected.outcome (if any is given) and the recursion among expected.recursion
// (if any is given; an unknown recursion is none of them). unsupported and harness_error never meet an
// expectation that does not name them.
Verdict judge(const evidence::Evidence& evidence);

}  // namespace reflux::verdict
