// The whole text of a verdict (text.h): a page of sections, from what decides down to what only surrounds it.
#include "harness/report/harmless.h"
#include "harness/report/sentences.h"
#include "harness/report/text.h"
#include "harness/report/wrap.h"
#include "harness/verdict/recursion_proof.h"
#include "harness/verdict/watch.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace reflux::report {

using evidence::Evidence;
using verdict::Verdict;
using verdict::Watched;

namespace {

using Strings = std::vector<std::string>;

// Nothing on it is cut.
class Page {
  public:
    void line(std::string_view text, std::string_view indent = "", std::string_view hang = "    ") {
        for (const std::string& one : wrapped(harmless(text), {.columns = explain_whole_columns,
                                                              .indent = indent,
                                                              .hang = hang,
                                                              .most = std::numeric_limits<int>::max()})) {
            text_ += one + "\n";
        }
    }
    void heading(std::string_view text) {
        text_ += "\n";
        line(text);
    }
    void items(const Strings& texts) {
        for (const std::string& text : texts) {
            line("- " + text, "  ", "    ");
        }
    }
    // Innermost first; those that decide are marked.
    void stack(const Strings& frames, const Strings& deciding) {
        for (const std::string& frame : frames) {
            const bool decides = std::ranges::find(deciding, frame) != deciding.end();
            line(frame, decides ? "    * " : "      ", "        ");
        }
        if (frames.empty()) {
            line("(no stack)", "      ");
        }
    }
    std::string take() { return std::move(text_); }

  private:
    std::string text_;
};

void add_head(Page& page, const Evidence& evidence, const Verdict& verdict) {
    page.line(headline_sentence(evidence, verdict));
    page.line(setting(evidence), "  ");
    for (const evidence::Mitigation& mitigation : evidence.mitigations) {
        page.line(fmt::format("{}: {}: {}", mitigation.name, mitigation.applied ? "in force" : "not in force",
                              verdict::text_or(mitigation.detail, "no detail")),
                  "  ");
    }
    page.line(expectation(verdict), "  ");
}

void add_list(Page& page, std::string_view heading, const Strings& texts) {
    if (!texts.empty()) {
        page.heading(heading);
        page.items(texts);
    }
}

void add_proof(Page& page, const verdict::Proof& proof) {
    page.heading(
        fmt::format("the thread that decides: {}, {} CPU ticks; its stack, innermost first "
                    "(* decides):",
                    proof_sentence(proof), proof.cpu_ticks));
    page.stack(proof.stack, proof.deciding);
    if (!proof.gfp_flags.empty()) {
        page.line("its reclaim's mask: " + proof.gfp_flags, "  ");
    }
    if (!proof.last_event.empty()) {
        page.line("its last trace event: " + proof.last_event, "  ");
    }
    page.line(fmt::format("all daemon threads, in the whole run: {}, {} of slab shrinkers, {} of the upper "
                          "device and {} of the lower one inside them; {}",
                          verdict::counted(proof.reclaims, "reclaim"),
                          verdict::counted(proof.slab_shrinks, "visit"),
                          verdict::counted(proof.upper_events, "event"), proof.lower_events,
                          verdict::counted(proof.throttles, "throttle")),
              "  ");
}

Strings deciding_frames(const Watched& task) {
    Strings frames;
    for (const std::size_t index : task.classified.known) {
        frames.push_back(task.last.stack[index]);
    }
    return frames;
}

// It waits for something, or is in a reclaim; not for work to arrive.
bool is_waiting(const Watched& task) {
    const auto& known = task.classified;
    return known.wait != verdict::Wait::idle &&
           (task.last.state == 'D' || known.wait.has_value() || known.reclaim.has_value());
}

std::string state_of(const Watched& task) {
    std::string text = fmt::format("{} ({}), state {}, {} context switches in {:.1f} s",
                                   verdict::name_of(task.last), verdict::text_or(task.last.role, "no role"),
                                   task.last.state, task.switches, task.last_s - task.first_s);
    if (task.classified.wait) {
        text += ", " + verdict::in_wait(*task.classified.wait);
    }
    return task.classified.reclaim
               ? fmt::format("{} inside {}", text, verdict::to_string(*task.classified.reclaim))
               : text;
}

// Those of one stack stand together, in front of it.
void add_waiting_stacks(Page& page, const evidence::Stall& stall, int told) {
    const std::vector<Watched> tasks = verdict::watch(stall);
    std::vector<std::pair<Strings, std::vector<const Watched*>>> groups;
    std::map<Strings, std::size_t> group_of;
    std::size_t others = 0;
    for (const Watched& task : tasks) {
        if (task.last.tid == told) {
            continue;
        }
        if (!is_waiting(task)) {
            ++others;
            continue;
        }
        const auto [found, is_new] = group_of.emplace(task.last.stack, groups.size());
        if (is_new) {
            groups.emplace_back(task.last.stack, std::vector<const Watched*>{});
        }
        groups[found->second].second.push_back(&task);
    }
    page.heading(
        fmt::format("the {}tasks that wait, as seen last; stacks innermost first (* says what for); "
                    "{} more run or are idle:",
                    told > 0 ? "other " : "", others));
    for (const auto& [stack, members] : groups) {
        for (const Watched* member : members) {
            page.line(state_of(*member), "  ");
        }
        page.stack(stack, deciding_frames(*members.front()));
    }
}

void add_reclaims(Page& page, const Evidence& evidence) {
    const auto reclaims = verdict::strongest_reclaims(evidence);
    if (reclaims.empty()) {
        return;
    }
    page.heading(fmt::format("reclaims entered by the daemon, strongest first; {} of {} were kept:",
                             reclaims.size(), evidence.trace.reclaim_count));
    for (const verdict::RecursionProof& proof : reclaims) {
        page.line("- " + reclaim_sentence(proof), "  ");
        for (const std::string& wait : proof.waits) {
            page.line("slept in " + wait, "    ", "        ");
        }
        for (const std::string& shrinker : proof.shrinkers) {
            page.line("visited " + shrinker, "    ", "        ");
        }
        if (!proof.stack.empty()) {
            page.line("where it slept longest:", "    ");
            page.stack(proof.stack, {});
        }
    }
}

std::string rate_of(const evidence::CompletionRate& rate) {
    if (rate.over_s <= 0) {
        return "not measured";
    }
    return fmt::format("{:.1f} I/Os{} a second, over {:.1f} s", rate.ios,
                       rate.requests ? fmt::format(" and {:.1f} requests to the daemon", *rate.requests) : "",
                       rate.over_s);
}

void add_rung(Page& page, const evidence::ReliefRung& rung) {
    page.line(fmt::format("- {} at {:.1f} s: {}{}", rung.rung, rung.begin_s,
                          rung.applied ? "" : "not applied: ", verdict::text_or(rung.detail, "no detail")),
              "  ");
    if (!rung.applied) {
        return;
    }
    page.line(fmt::format("before it {}; under it {}", rate_of(rung.before), rate_of(rung.during)), "    ",
              "        ");
    page.line(fmt::format("{}; {} I/Os were completed when it began, {} after the {:.1f} s for which it was "
                          "watched",
                          rung.released ? fmt::format("released after {:.1f} s", rung.after_s)
                                        : std::string("did not release"),
                          rung.completed_before, rung.completed_after, rung.observed_s),
              "    ", "        ");
    if (!rung.freed_tids.empty()) {
        page.line(fmt::format("left their wait: {}", fmt::join(rung.freed_tids, ", ")), "    ", "        ");
    }
    if (!rung.remains.empty()) {
        page.line("not undone: " + rung.remains, "    ", "        ");
    }
}

void add_relief(Page& page, const Evidence& evidence) {
    if (evidence.relief.empty()) {
        return;
    }
    page.heading("relief, one rung after the other:");
    for (const evidence::ReliefRung& rung : evidence.relief) {
        add_rung(page, rung);
    }
}

// What the reasons have in part only.
void add_circumstances(Page& page, const Evidence& evidence) {
    Strings victims;
    for (const evidence::OomVictim& victim : evidence.oom_victims) {
        victims.push_back(fmt::format(
            "{}[{}] ({}), of the {}, at {:.1f} s, {:.1f} MiB anonymous: {}", victim.name, victim.pid,
            victim.role, victim.of_memcg ? "memcg" : "machine", victim.at_s,
            static_cast<double>(victim.anon_bytes) / verdict::mebibyte,
            victim.gone_s ? fmt::format("gone at {:.1f} s", *victim.gone_s)
                          : fmt::format("there at {:.1f} s, state {}", victim.seen_s, victim.state)));
    }
    add_list(page, "victims of the OOM killer:", victims);
    Strings throttles;
    for (const evidence::TraceEvent& event : evidence.trace.throttles) {
        throttles.push_back(
            fmt::format("{:.1f} s, thread {}: {} {}", event.at_s, event.tid, event.event, event.detail));
    }
    add_list(page,
             fmt::format("the last of {} throttles of the daemon's threads:", evidence.trace.throttle_count),
             throttles);
    add_list(page, "what this kernel's trace cannot show:", evidence.trace.weaker);
    add_list(page, "kernel log:", evidence.kernel_log);
}

}  // namespace

std::string explain_whole(const Evidence& evidence, const Verdict& verdict) {
    Page page;
    add_head(page, evidence, verdict);
    add_list(page, "why:", verdict.reasons);
    add_list(page, "wait cycle (A -> B: A goes on only when B does something), with the fact that shows it:",
             verdict.cycle);
    add_list(page, "who else waits, as seen last:", verdict.waiting);
    if (verdict.proof) {
        add_proof(page, *verdict.proof);
    }
    if (evidence.stall) {
        add_waiting_stacks(page, *evidence.stall, verdict.proof ? verdict.proof->tid : 0);
    }
    add_reclaims(page, evidence);
    add_relief(page, evidence);
    add_circumstances(page, evidence);
    return page.take();
}

}  // namespace reflux::report
