#include "harness/report/text.h"

#include "harness/report/sentences.h"
#include "harness/report/wrap.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace reflux::report {

using evidence::Evidence;
using verdict::Verdict;

namespace {

using Lines = std::vector<std::string>;

constexpr std::size_t most_cycle_edges = 6;
constexpr std::size_t most_waiting_lines = 5;
constexpr std::size_t room_for_waiting = 3;  // whatever the lesser reasons need

void append(Lines& lines, Lines more) {
    std::ranges::move(more, std::back_inserter(lines));
}

Lines headline(const Evidence& evidence, const Verdict& verdict) {
    Lines lines = wrapped(headline_sentence(evidence, verdict), {.indent = "", .hang = "    "});
    append(lines, wrapped(setting(evidence), {.indent = "  ", .hang = "    "}));
    return lines;
}

// The cycle itself comes first in the verdict; of many threads that wait behind it the first ones stand for
// all.
Lines cycle_lines(const Verdict& verdict) {
    if (verdict.cycle.empty()) {
        return {};
    }
    Lines lines = {
        "wait cycle (A -> B: A goes on only when B does something), each line with the fact that shows it:"};
    const std::size_t count = verdict.cycle.size();
    const std::size_t shown = std::min(count, most_cycle_edges);
    for (std::size_t i = 0; i < shown; ++i) {
        const std::size_t most = i == 0 ? 3 : i < 4 ? 2 : 1;
        append(lines, wrapped(verdict.cycle[i], {.indent = "  ", .hang = "      ", .most = most}));
    }
    if (count > shown) {
        lines.push_back(fmt::format("  (and {} more threads like it)", count - shown));
    }
    return lines;
}

Lines waiting_lines(const Verdict& verdict, std::size_t room) {
    const std::size_t count = verdict.waiting.size();
    if (count == 0 || room < 3) {
        return {};
    }
    Lines lines = {"who else waits, as seen last:"};
    const std::size_t shown = count < room ? count : room - 2;
    for (std::size_t i = 0; i < shown; ++i) {
        append(lines, wrapped(verdict.waiting[i], {.indent = "  ", .hang = "", .most = 1}));
    }
    if (count > shown) {
        lines.push_back(fmt::format("  ({} more in verdict.json)", count - shown));
    }
    return lines;
}

// The innermost frames and those that decide, on a line or two; "..." stands for what lies between.
std::string short_stack(const verdict::Proof& proof) {
    constexpr std::size_t innermost = 3;
    constexpr std::size_t most = 9;
    std::size_t shown = 0;
    std::string text;
    bool skipped = false;
    for (std::size_t i = 0; i < proof.stack.size(); ++i) {
        const bool deciding = std::ranges::find(proof.deciding, proof.stack[i]) != proof.deciding.end();
        if ((!deciding && i >= innermost) || shown == most) {
            skipped = true;
            continue;
        }
        text += fmt::format("{}{}{}{}", text.empty() ? "" : " <- ", skipped ? "... <- " : "",
                            deciding ? "*" : "", proof.stack[i]);
        skipped = false;
        ++shown;
    }
    return text.empty() ? "(no stack)" : text + (skipped ? " <- ..." : "");
}

Lines stack_lines(const Verdict& verdict) {
    if (!verdict.proof) {
        return {};
    }
    const verdict::Proof& proof = *verdict.proof;
    Lines lines = wrapped(proof_sentence(proof) + "; its stack, innermost first (* decides):",
                          {.indent = "", .hang = "", .most = 1});
    const bool said = !verdict.cycle.empty();  // what the reclaim was, by the first edge
    append(lines, wrapped(short_stack(proof), {.indent = "  ", .hang = "  ", .most = said ? 2U : 3U}));
    std::vector<std::string> more;
    if (!said && !proof.gfp_flags.empty()) {
        more.push_back("its reclaim's mask: " + proof.gfp_flags);
    }
    if (!said && !proof.last_event.empty()) {
        more.push_back("its last trace event: " + proof.last_event);
    }
    if (!more.empty()) {
        append(lines, wrapped(fmt::format("{}", fmt::join(more, "; ")), {.indent = "  ", .hang = "    "}));
    }
    return lines;
}

// What relief showed, and a victim of the OOM killer that did not end by itself.
bool is_kept(const Verdict& verdict, const std::string& reason) {
    const bool of_relief = verdict.relief && std::ranges::find(verdict.relief->sentences, reason) !=
                                                 verdict.relief->sentences.end();
    const auto has = [&](std::string_view words) { return reason.find(words) != std::string::npos; };
    return of_relief || (reason.starts_with("OOM victim ") && (has("NOT GONE") || has("under relief (")));
}

Lines reason_paragraph(const std::string& reason) {
    return wrapped(reason, {.indent = "  - ", .hang = "    "});
}

// The first reason decides, and what is kept is not left out before the rest.
Lines reason_lines(const Verdict& verdict, std::size_t room) {
    std::vector<Lines> reasons;
    std::size_t total = 0;
    for (const std::string& reason : verdict.reasons) {
        reasons.push_back(reason_paragraph(reason));
        total += reasons.back().size();
    }
    std::size_t left_out = 0;
    for (const bool relief_too : {false, true}) {
        for (std::size_t i = reasons.size(); i-- > 1 && total + std::min<std::size_t>(left_out, 1) > room;) {
            if (!reasons[i].empty() && (relief_too || !is_kept(verdict, verdict.reasons[i]))) {
                total -= reasons[i].size();
                reasons[i].clear();
                ++left_out;
            }
        }
    }
    Lines lines;
    for (Lines& reason : reasons) {
        append(lines, std::move(reason));
    }
    if (left_out > 0) {
        lines.push_back(fmt::format("  - ({} more in verdict.json)", left_out));
    }
    return lines;
}

// Of those that are left out last, and the line that counts the others.
std::size_t least_reason_lines(const Verdict& verdict) {
    std::size_t lines = 1;
    for (std::size_t i = 0; i < verdict.reasons.size(); ++i) {
        if (i == 0 || is_kept(verdict, verdict.reasons[i])) {
            lines += reason_paragraph(verdict.reasons[i]).size();
        }
    }
    return lines;
}

// At most two lines: the reclaim, and what happened in it.
Lines recursion_lines(const Verdict& verdict) {
    if (!verdict.recursion_proof) {
        return {};
    }
    const verdict::RecursionProof& proof = *verdict.recursion_proof;
    Lines lines = wrapped("strongest reclaim: " + reclaim_sentence(proof), {.most = 1});
    std::vector<std::string> parts;
    const auto add = [&parts](std::string_view what, const std::vector<std::string>& sentences) {
        constexpr std::size_t shown = 2;
        if (!sentences.empty()) {
            const auto some = std::span(sentences).first(std::min(shown, sentences.size()));
            parts.push_back(fmt::format("{} {}{}", what, fmt::join(some, "; "),
                                        sentences.size() > shown
                                            ? fmt::format(" and {} more", sentences.size() - shown)
                                            : std::string()));
        }
    };
    add("slept in", proof.waits);
    add("visited", proof.shrinkers);
    if (!parts.empty()) {
        append(lines, wrapped(fmt::format("it {}", fmt::join(parts, "; it ")), {.indent = "  ", .most = 1}));
    }
    return lines;
}

}  // namespace

std::string explain(const Evidence& evidence, const Verdict& verdict) {
    const Lines head = headline(evidence, verdict);
    const Lines cycle = cycle_lines(verdict);
    const Lines stack = stack_lines(verdict);
    const Lines recursion = recursion_lines(verdict);
    const Lines end = wrapped(expectation(verdict), {.indent = "", .hang = "    "});

    // Reasons and waiting tasks share the room that is left.
    constexpr std::size_t all = explain_max_lines;
    const std::size_t fixed = head.size() + cycle.size() + stack.size() + recursion.size() + end.size();
    const std::size_t room = all - std::min(fixed, all - 3);
    const std::size_t wanted = reason_lines(verdict, all).size();
    const std::size_t least = std::min(least_reason_lines(verdict), room);
    const std::size_t for_waiting =
        std::min(std::max(room - std::min(wanted, room), std::min(room_for_waiting, room - least)),
                 most_waiting_lines);
    const Lines waiting = waiting_lines(verdict, for_waiting);

    Lines lines = head;
    append(lines, reason_lines(verdict, room - waiting.size()));
    append(lines, cycle);
    append(lines, waiting);
    append(lines, stack);
    append(lines, recursion);
    append(lines, end);
    std::string text;
    for (const std::string& line : lines) {
        text += line + "\n";
    }
    return text;
}

std::string one_line(const Evidence& evidence, const Verdict& verdict) {
    return printable(fmt::format("{:<34} {:<13} {:<8} {:<20} {}", evidence.scenario,
                                 verdict::to_string(verdict.outcome), recursion_word(verdict),
                                 relief_word(verdict),
                                 verdict.met                                        ? "met"
                                 : verdict.outcome == verdict::Outcome::unsupported ? "not run"
                                                                                    : "NOT MET"));
}

}  // namespace reflux::report
