#include "harness/verdict/recursion_proof.h"

#include "harness/verdict/stack.h"
#include "harness/verdict/watch.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include <fmt/format.h>

namespace reflux::verdict {

using evidence::Evidence;
using evidence::Reclaim;
using evidence::ShrinkerCalls;
using evidence::TaskWait;

namespace {

// Up to the stall, if it has not ended; nullopt: until when is not known.
std::optional<double> time_of(const Evidence& evidence, const Reclaim& reclaim) {
    if (reclaim.end_s) {
        return *reclaim.end_s - reclaim.begin_s;
    }
    return evidence.stall ? std::optional(evidence.stall->detected_s - reclaim.begin_s) : std::nullopt;
}

std::string describe_shrinker(const ShrinkerCalls& row) {
    std::string text = text_or(row.function, "a shrinker");
    if (!row.superblock.empty()) {
        text += fmt::format(" of {} ({})", row.superblock, row.side);
    }
    text += ": " + counted(row.calls, "call");
    if (row.pruned > 0) {
        text += fmt::format(", {} pruned", row.pruned);
    }
    return text + fmt::format(", {}{}", time_words(row.total_s), row.ended ? "" : ", not ended");
}

// By the bits: what __GFP_FS and __GFP_IO say; by the names where there are no bits.
std::string reach_of_reclaim(const Reclaim& reclaim) {
    if (!reclaim.gfp_fs || !reclaim.gfp_io) {
        return reach_of(reclaim.gfp_flags);
    }
    return *reclaim.gfp_fs   ? "may call into filesystems"
           : *reclaim.gfp_io ? "may not call into filesystems (GFP_NOFS)"
                             : "may not start I/O or call into filesystems (GFP_NOIO)";
}

RecursionProof proof_of(const Evidence& evidence, const Reclaim& reclaim) {
    RecursionProof proof;
    proof.tid = reclaim.tid;
    proof.thread = reclaim.thread;
    proof.kind = text_or(reclaim.kind, "traced");
    proof.mask = describe_mask(reclaim);
    proof.order = reclaim.order;
    proof.begin_s = reclaim.begin_s;
    proof.duration_s = time_of(evidence, reclaim);
    proof.ended = reclaim.end_s.has_value();
    proof.reclaimed_pages = reclaim.reclaimed_pages;
    proof.upper = reaches_upper(evidence, reclaim);
    // Those of the filesystems of the stack say most.
    std::vector<ShrinkerCalls> shrinkers = reclaim.shrinkers;
    const auto rank = [](const ShrinkerCalls& row) {
        return std::tuple(row.side != "upper", row.side != "lower", row.superblock.empty());
    };
    std::ranges::stable_sort(shrinkers, [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
    std::ranges::transform(shrinkers, std::back_inserter(proof.shrinkers), describe_shrinker);
    std::vector<TaskWait> waits = reclaim.waits;
    const auto shorter = [](const TaskWait& wait) {
        return std::tuple(wait.duration_s.has_value(), -wait.duration_s.value_or(0));
    };
    std::ranges::stable_sort(waits, [&](const auto& a, const auto& b) { return shorter(a) < shorter(b); });
    std::ranges::transform(waits, std::back_inserter(proof.waits), describe_wait);
    if (!waits.empty()) {
        proof.stack = waits.front().stack;
    }
    return proof;
}

}  // namespace

bool reaches_upper(const Evidence& evidence, const Reclaim& reclaim) {
    const std::string& upper = evidence.devices.upper_device;
    return !upper.empty() &&
           (reclaim.upper_events > 0 ||
            std::ranges::find(reclaim.inside, upper, &evidence::TraceEvent::device) != reclaim.inside.end());
}

std::vector<RecursionProof> strongest_reclaims(const Evidence& evidence) {
    std::vector<const Reclaim*> reclaims;
    for (const Reclaim& reclaim : evidence.trace.reclaims) {
        reclaims.push_back(&reclaim);
    }
    const auto rank = [&](const Reclaim* reclaim) {
        return std::tuple(reaches_upper(evidence, *reclaim), !reclaim->end_s,
                          time_of(evidence, *reclaim).value_or(0));
    };
    std::ranges::stable_sort(reclaims, [&](const Reclaim* a, const Reclaim* b) { return rank(a) > rank(b); });
    std::vector<RecursionProof> proofs;
    std::ranges::transform(reclaims, std::back_inserter(proofs),
                           [&](const Reclaim* reclaim) { return proof_of(evidence, *reclaim); });
    return proofs;
}

std::optional<RecursionProof> strongest_reclaim(const Evidence& evidence) {
    auto proofs = strongest_reclaims(evidence);
    return proofs.empty() ? std::nullopt : std::optional(std::move(proofs.front()));
}

std::string describe_mask(const Reclaim& reclaim) {
    std::string text = text_or(reclaim.gfp_flags, "gfp mask not traced");
    if (reclaim.gfp_bits) {
        text += fmt::format(" ({:#x})", *reclaim.gfp_bits);
    }
    const std::string reach = reach_of_reclaim(reclaim);
    return reach.empty() ? text : text + ", which " + reach;
}

std::string describe_wait(const TaskWait& wait) {
    const auto by_stack = classify_stack(wait.stack).wait;
    const bool of_folio =
        is_writeback_event(wait.event) && (by_stack == Wait::folio_writeback || wait.stack.empty());
    std::string text = by_stack ? std::string(to_string(*by_stack))
                       : of_folio
                           ? fmt::format("{} (by the event in front of it)", to_string(Wait::folio_writeback))
                           : "an unknown wait";
    if (!by_stack && !wait.stack.empty()) {
        text += " at " + wait.stack.front();
    }
    if (of_folio && !wait.device.empty()) {
        text += " of " + wait.device;
    } else if (!wait.superblock.empty()) {
        text += fmt::format(" in the shrinker of {}", wait.superblock);
    }
    return text + (wait.duration_s
                       ? fmt::format(", {}{}", wait.at_most ? "at most " : "", time_words(*wait.duration_s))
                       : ", not ended");
}

}  // namespace reflux::verdict
