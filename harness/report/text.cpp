#include "harness/report/text.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace reflux::report {

using evidence::Evidence;
using verdict::Outcome;
using verdict::Verdict;

namespace {

constexpr std::size_t most_cycle_lines = 4;
constexpr std::size_t most_stack_lines = 9;

std::string_view recursion_word(const Verdict& verdict) {
    return verdict.recursion ? verdict::to_string(*verdict.recursion) : "unknown";
}

// What the outcome means, for somebody who has not read the documentation.
std::string_view meaning(Outcome outcome) {
    switch (outcome) {
        case Outcome::completes:
            return "the workload did all its work and its data verified";
        case Outcome::slow:
            return "the workload went on, but missed its time budget";
        case Outcome::livelock:
            return "nothing completed although the daemon kept running or sleeping in bounded waits";
        case Outcome::deadlock:
            return "the daemon waits for something that only the daemon can complete";
        case Outcome::daemon_killed:
            return "the daemon was killed";
        case Outcome::io_error:
            return "I/O failed or data is wrong";
        case Outcome::inconclusive:
            return "the evidence does not decide";
        case Outcome::unsupported:
            return "the run was not made as asked";
        case Outcome::harness_error:
            return "the harness failed, so nothing is known of the stack";
    }
    return "";
}

std::string or_dash(const std::string& text) {
    return text.empty() ? "-" : text;
}

std::string setting(const Evidence& evidence) {
    const evidence::Devices& devices = evidence.devices;
    std::string text = fmt::format(
        "{} on {} {} on {}, kernel {}, memcg {} {}", or_dash(devices.upper_fs), or_dash(devices.front_end),
        or_dash(devices.upper_device), or_dash(devices.lower_fs),
        or_dash(evidence.environment.kernel_release), or_dash(evidence.environment.cgroup_version),
        evidence.limits.memcg_limit_bytes
            ? fmt::format("limit {} MiB", *evidence.limits.memcg_limit_bytes >> 20U)
            : std::string("without limit"));
    if (!evidence.placement.empty()) {
        text += ", placement " + evidence.placement;
    }
    if (!evidence.engine.empty()) {
        text += ", engine " + evidence.engine;
    }
    if (evidence.guest) {
        text += fmt::format(", in a guest ({})", evidence.guest->accelerator);
    }
    for (const evidence::Mitigation& mitigation : evidence.mitigations) {
        text += fmt::format(", {}{}", mitigation.name, mitigation.applied ? "" : " (not in force)");
    }
    return text;
}

void add_cycle(const Verdict& verdict, std::vector<std::string>& lines) {
    if (verdict.cycle.empty()) {
        return;
    }
    lines.emplace_back("wait cycle, each line with the fact that shows it:");
    // The closing edges are last; of many blocked threads the first ones stand for all.
    const std::size_t count = verdict.cycle.size();
    for (std::size_t i = 0; i < count; ++i) {
        if (count > most_cycle_lines && i == 2) {
            lines.push_back(fmt::format("  (and {} more like it)", count - most_cycle_lines));
            i = count - 2;
        }
        lines.push_back("  " + verdict.cycle[i]);
    }
}

void add_stack(const Verdict& verdict, std::vector<std::string>& lines) {
    if (!verdict.proof) {
        return;
    }
    const verdict::Proof& proof = *verdict.proof;
    lines.push_back(
        fmt::format("{}[{}], state {}, {} context switches in {:.1f} s; deciding frames have a *:",
                    proof.thread.empty() ? "thread" : proof.thread, proof.tid, proof.state, proof.switches,
                    proof.watched_s));
    if (proof.stack.empty()) {
        lines.emplace_back("    (no stack)");
    }
    std::size_t skipped = 0;
    std::size_t shown = 0;
    std::string row;
    for (const std::string& function : proof.stack) {
        const bool deciding = std::ranges::find(proof.deciding, function) != proof.deciding.end();
        if (shown >= most_stack_lines - 1 || (!deciding && shown >= most_stack_lines / 2)) {
            ++skipped;
            continue;
        }
        lines.push_back(fmt::format("  {} {}", deciding ? '*' : ' ', function));
        ++shown;
    }
    if (skipped > 0) {
        lines.push_back(fmt::format("    ({} more frames in the evidence)", skipped));
    }
    if (!proof.gfp_flags.empty() || !proof.last_event.empty()) {
        lines.push_back(fmt::format("  its reclaim's mask: {}; its last trace event: {}",
                                    or_dash(proof.gfp_flags), or_dash(proof.last_event)));
    }
}

std::string list_of(const std::vector<std::string>& words) {
    return words.empty() ? "anything" : fmt::format("{}", fmt::join(words, " or "));
}

std::string expectation(const Verdict& verdict) {
    const evidence::Expectation& expected = verdict.expected;
    if (expected.outcome.empty() && expected.recursion.empty()) {
        return verdict.met ? "expectation: none given"
                           : "expectation: none given, but there was no run to judge";
    }
    std::string wanted = "outcome " + list_of(expected.outcome);
    if (!expected.recursion.empty()) {
        wanted += ", recursion " + list_of(expected.recursion);
    }
    if (verdict.met) {
        return "expectation met: " + wanted;
    }
    if (verdict.outcome == verdict::Outcome::unsupported) {
        return "expectation not judged, there was no run: " + wanted;
    }
    return fmt::format("expectation NOT met: expected {}; found outcome {}, recursion {}", wanted,
                       verdict::to_string(verdict.outcome), recursion_word(verdict));
}

// Lines keep their number: a reason with line breaks in it (a daemon's last words) becomes one line. Other
// control characters (a task may have any name) are not for terminals.
std::string flat(std::string line) {
    constexpr std::size_t longest = 400;
    std::ranges::replace_if(
        line, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
    if (line.size() > longest) {
        std::size_t end = longest;
        while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0U) == 0x80U) {
            --end;  // not in the middle of a character
        }
        line.resize(end);
        line += "...";
    }
    return line;
}

std::string relief_word(const Verdict& verdict) {
    if (!verdict.relief) {
        return "-";
    }
    return verdict.relief->after_s
               ? fmt::format("{} {:.1f} s", verdict.relief->rung, *verdict.relief->after_s)
               : verdict.relief->rung;
}

}  // namespace

std::string explain(const Evidence& evidence, const Verdict& verdict) {
    std::vector<std::string> lines;
    lines.push_back(fmt::format("{}: {}, recursion {}: {}", or_dash(evidence.scenario),
                                verdict::to_string(verdict.outcome), recursion_word(verdict),
                                meaning(verdict.outcome)));
    lines.push_back("  " + setting(evidence));
    std::vector<std::string> after;
    add_cycle(verdict, after);
    add_stack(verdict, after);
    after.push_back(expectation(verdict));

    // Reasons take the room that is left; the first one decides, so they are cut at the end.
    const std::size_t room = std::max<std::size_t>(
        static_cast<std::size_t>(explain_max_lines) - std::min<std::size_t>(lines.size() + after.size(), 20),
        2);
    for (std::size_t i = 0; i < verdict.reasons.size(); ++i) {
        if (i + 1 == room && verdict.reasons.size() > room) {
            lines.push_back(fmt::format("  - ({} more in verdict.json)", verdict.reasons.size() - i));
            break;
        }
        lines.push_back("  - " + verdict.reasons[i]);
    }
    lines.insert(lines.end(), after.begin(), after.end());
    std::string text;
    for (std::string& line : lines) {
        text += flat(std::move(line)) + "\n";
    }
    return text;
}

std::string one_line(const Evidence& evidence, const Verdict& verdict) {
    return flat(fmt::format("{:<34} {:<13} {:<8} {:<20} {}", evidence.scenario,
                            verdict::to_string(verdict.outcome), recursion_word(verdict),
                            relief_word(verdict),
                            verdict.met                                        ? "met"
                            : verdict.outcome == verdict::Outcome::unsupported ? "not run"
                                                                               : "NOT MET"));
}

}  // namespace reflux::report
