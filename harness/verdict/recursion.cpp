#include "harness/verdict/recursion.h"

#include "harness/verdict/recursion_proof.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

namespace reflux::verdict {

using evidence::Evidence;
using evidence::Reclaim;
using evidence::TraceEvent;
using evidence::TraceSummary;

namespace {

// Of a mask alone, by its names.
std::string describe_names(const std::string& gfp_flags) {
    Reclaim reclaim;
    reclaim.gfp_flags = gfp_flags;
    return describe_mask(reclaim);
}

std::string reclaim_reason(const TraceSummary& trace) {
    std::set<int> threads;
    std::map<std::string, std::uint64_t> masks;
    std::set<std::string> kinds(trace.kinds.begin(), trace.kinds.end());
    for (const Reclaim& reclaim : trace.reclaims) {
        threads.insert(reclaim.tid);
        kinds.insert(text_or(reclaim.kind, "unknown"));
        masks.emplace(reclaim.gfp_flags, 0);
    }
    for (const evidence::ReclaimCount& row : trace.counts) {
        masks[row.gfp_flags] += row.count;
        threads.insert(row.tid);
    }
    std::string text = fmt::format("daemon threads entered {}",
                                   counted(std::max(trace.reclaim_count, trace.reclaims.size()), "reclaim"));
    if (!trace.reclaims.empty()) {
        text += fmt::format(" ({}; {})", join({kinds.begin(), kinds.end()}, ", "),
                            thread_list({threads.begin(), threads.end()}));
    }
    std::vector<std::string> described;
    described.reserve(masks.size());
    for (const auto& [mask, count] : masks) {
        described.push_back((count > 0 ? fmt::format("{} with ", count) : "") + describe_names(mask));
    }
    constexpr std::size_t shown = 3;
    if (described.size() > shown) {
        described.resize(shown);
        described.emplace_back("and others");
    }
    if (!described.empty()) {
        text += "; mask " + join(described, "; ");
    }
    return text;
}

// An event of the upper device inside a reclaim, and that reclaim. The last one of a reclaim that has not
// ended says most.
const TraceEvent* upper_event(const Evidence& evidence, const Reclaim*& inside) {
    const TraceEvent* found = nullptr;
    for (const Reclaim& reclaim : evidence.trace.reclaims) {
        for (const TraceEvent& event : reclaim.inside) {
            if (!event.device.empty() && event.device == evidence.devices.upper_device &&
                (found == nullptr || !reclaim.end_s)) {
                found = &event;
                inside = &reclaim;
            }
        }
    }
    for (const Reclaim& reclaim : evidence.trace.reclaims) {
        const OpenReclaim open = open_reclaim(evidence.trace, reclaim.tid);
        if (open.last_event != nullptr && !open.last_event->device.empty() &&
            open.last_event->device == evidence.devices.upper_device) {
            found = open.last_event;
            inside = open.reclaim;
        }
    }
    return found;
}

void add_missing(const TraceSummary& trace, const evidence::Devices& devices, RecursionFinding& finding) {
    if (trace.lost_events > 0) {
        finding.reasons.push_back(fmt::format("the trace lost {}", counted(trace.lost_events, "event")));
    }
    // An event of a filesystem that is not in the stack has nothing to tell.
    std::vector<std::string> missed;
    for (const std::string& event : trace.missing) {
        const std::string_view system = std::string_view(event).substr(0, event.find('/'));
        const bool of_filesystem =
            system == "ext4" || system == "jbd2" || system == "xfs" || system == "f2fs";
        const bool in_stack = [&] {
            for (const std::string& type : {devices.upper_fs, devices.lower_fs}) {
                if (system == type || (system == "jbd2" && type == "ext4")) {
                    return true;
                }
            }
            return false;
        }();
        if (!of_filesystem || in_stack) {
            missed.push_back(event);
        }
    }
    if (!missed.empty() && finding.recursion != Recursion::upper) {
        finding.reasons.push_back("this kernel lacks the trace events " + join(missed, ", "));
    }
}

void add_notes(const TraceSummary& trace, RecursionFinding& finding) {
    for (const std::string& sentence : trace.weaker) {
        finding.notes.push_back("weaker here: " + sentence);
    }
    if (trace.overhead) {
        const evidence::TraceOverhead& cost = *trace.overhead;
        finding.notes.push_back(fmt::format(
            "with the trace on, as it is before the first reclaim, the device completed {:.3f} of what it "
            "did "
            "without it (direct writes; median of {}, half of them from {:.3f} to {:.3f}; {:.0f} and {:.0f} "
            "MiB/s)",
            cost.ratio, counted(cost.blocks, "block"), cost.ratio_low, cost.ratio_high,
            cost.with_bytes_s / mebibyte, cost.without_bytes_s / mebibyte));
    }
}

RecursionFinding from_trace(const Evidence& evidence, const Watched* seen_in_reclaim) {
    const TraceSummary& trace = evidence.trace;
    RecursionFinding finding;
    const Reclaim* inside = nullptr;
    const TraceEvent* event = upper_event(evidence, inside);
    const bool entered = trace.reclaim_count > 0 || !trace.reclaims.empty();
    if (event != nullptr || trace.upper_event_count > 0) {
        finding.recursion = Recursion::upper;
        finding.reasons.push_back(fmt::format(
            "recursion upper: {} inside reclaims of the daemon name the upper device {}",
            counted(std::max<std::uint64_t>(trace.upper_event_count, event != nullptr ? 1 : 0), "event"),
            text_or(evidence.devices.upper_device, "(unknown)")));
        if (event != nullptr) {
            finding.reasons.back() +=
                fmt::format(": {} of thread {} in a {} reclaim ({}){}", event->event, inside->tid,
                            text_or(inside->kind, "traced"), describe_mask(*inside),
                            inside->end_s            ? ""
                            : trace.lost_events == 0 ? " that has not ended"
                                                     : ", whose end the trace does not show");
        }
    } else if (entered || seen_in_reclaim != nullptr) {
        finding.recursion = Recursion::reclaim;
        finding.reasons.push_back(fmt::format(
            "recursion reclaim: no event inside a reclaim of the daemon names the upper device {} "
            "({} the lower one)",
            text_or(evidence.devices.upper_device, "(unknown)"),
            trace.lower_event_count == 1 ? "1 names" : fmt::format("{} name", trace.lower_event_count)));
    } else if (trace.lost_events == 0 && !trace.late) {
        finding.recursion = Recursion::none;
        finding.reasons.emplace_back(
            "recursion none: the trace lost nothing and shows no reclaim by a daemon thread");
    } else {
        finding.reasons.emplace_back(
            trace.late ? "recursion unknown: the trace shows no reclaim by a daemon thread, but a "
                         "thread was followed late"
                       : "recursion unknown: no reclaim by a daemon thread is in what the trace kept");
    }
    if (entered) {
        finding.reasons.push_back(reclaim_reason(trace));
        if (trace.slab_shrink_count > 0) {
            finding.reasons.back() +=
                fmt::format("; in them {} of slab shrinkers, which by itself proves no harm",
                            counted(trace.slab_shrink_count, "visit"));
        }
    }
    add_missing(trace, evidence.devices, finding);
    add_notes(trace, finding);
    return finding;
}

}  // namespace

RecursionFinding judge_recursion(const Evidence& evidence, const std::vector<Watched>& tasks) {
    if (!evidence.devices.front_end.empty() && !evidence::has_daemon(evidence.devices)) {
        return {.recursion = Recursion::none,
                .reasons = {
                    "recursion none: there is no daemon in this stack, the kernel serves the upper device"}};
    }
    const auto found = std::ranges::find_if(tasks, [&evidence](const Watched& task) {
        return is_daemon(evidence, task.last) && task.classified.reclaim;
    });
    const Watched* in_reclaim = found == tasks.end() ? nullptr : &*found;
    if (evidence.trace.available) {
        return from_trace(evidence, in_reclaim);
    }
    const std::string why = text_or(evidence.trace.unavailable_reason, "no reason given");
    if (in_reclaim != nullptr) {
        return {.recursion = Recursion::reclaim,
                .reasons = {
                    fmt::format("recursion reclaim: the stack of {} is inside {}; whether it reaches the "
                                "upper device is not known, for the trace was not available ({})",
                                name_of(in_reclaim->last), to_string(*in_reclaim->classified.reclaim), why)}};
    }
    return {.recursion = std::nullopt,
            .reasons = {fmt::format("recursion unknown: the trace was not available ({})", why)}};
}

}  // namespace reflux::verdict
