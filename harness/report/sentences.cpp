#include "harness/report/sentences.h"

#include "harness/verdict/words.h"

#include <vector>

#include <fmt/format.h>

namespace reflux::report {

using evidence::Evidence;
using verdict::Outcome;
using verdict::Verdict;

namespace {

// What the outcome means, for somebody who has not read the documentation.
std::string_view meaning(Outcome outcome) {
    switch (outcome) {
        case Outcome::completes:
            return "the workload did all its work and its data verified";
        case Outcome::slow:
            return "the workload went on, but missed its time budget";
        case Outcome::livelock:
            return "nothing completed, though the daemon ran or slept in bounded waits";
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

std::string list_of(const std::vector<std::string>& words) {
    return words.empty() ? "anything" : fmt::format("{}", fmt::join(words, " or "));
}

}  // namespace

std::string_view recursion_word(const Verdict& verdict) {
    return verdict.recursion ? verdict::to_string(*verdict.recursion) : "unknown";
}

std::string relief_word(const Verdict& verdict) {
    if (!verdict.relief) {
        return "-";
    }
    return verdict.relief->after_s
               ? fmt::format("{} {:.1f} s", verdict.relief->rung, *verdict.relief->after_s)
               : verdict.relief->rung;
}

std::string headline_sentence(const Evidence& evidence, const Verdict& verdict) {
    if (evidence.daemon_failure && verdict.outcome == Outcome::harness_error &&
        evidence.harness_error.empty()) {
        return fmt::format("{}: the daemon did not come to serve ({}): nothing is known of the stack",
                           or_dash(evidence.scenario), verdict::to_string(verdict.outcome));
    }
    // The other way to this outcome is an error that somebody saw.
    const bool exited = verdict.outcome == Outcome::io_error && evidence.daemon_exit &&
                        evidence.daemon_exit->unexpected && evidence.daemon_exit->signal == 0;
    return fmt::format(
        "{}: {}, recursion {}: {}", or_dash(evidence.scenario), verdict::to_string(verdict.outcome),
        recursion_word(verdict),
        exited ? "the daemon ended by itself, and its device lost its server" : meaning(verdict.outcome));
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
    if (evidence.limits.daemon_limit_bytes) {
        text += fmt::format(", daemon's own limit {} MiB", *evidence.limits.daemon_limit_bytes >> 20U);
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

std::string proof_sentence(const verdict::Proof& proof) {
    return fmt::format("{}[{}], state {}, {} context switches in {:.1f} s",
                       verdict::text_or(proof.thread, "thread"), proof.tid, proof.state, proof.switches,
                       proof.watched_s);
}

std::string reclaim_sentence(const verdict::RecursionProof& proof) {
    return fmt::format(
        "{}[{}], {}{}, {}, at {:.1f} s {}{}, {} pages{}", verdict::text_or(proof.thread, "thread"), proof.tid,
        proof.kind, proof.order ? fmt::format(" of order {}", *proof.order) : "", proof.mask, proof.begin_s,
        proof.duration_s ? "for " + verdict::time_words(*proof.duration_s) : "for an unknown time",
        proof.ended ? "" : " and not ended", proof.reclaimed_pages,
        proof.upper ? "; it reached the upper filesystem" : "");
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

}  // namespace reflux::report
