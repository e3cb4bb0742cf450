#include "harness/verdict/circumstances.h"
#include "harness/verdict/incidents.h"
#include "harness/verdict/recursion.h"
#include "harness/verdict/recursion_proof.h"
#include "harness/verdict/stall.h"
#include "harness/verdict/verdict.h"
#include "harness/verdict/watch.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace reflux::verdict {

using evidence::Evidence;
using evidence::Mitigation;
using evidence::ProgressPoint;
using evidence::ReliefRung;

namespace {

void judge_daemon_exit(const evidence::DaemonExit& exit, Verdict& verdict) {
    if (exit.signal != 0) {
        verdict.outcome = Outcome::daemon_killed;
        verdict.reasons.push_back(
            exit.oom_killed
                ? fmt::format("the daemon was killed at {:.1f} s by the OOM killer (signal {})", exit.at_s,
                              exit.signal)
                : fmt::format("the daemon was killed at {:.1f} s by signal {}", exit.at_s, exit.signal));
    } else {
        verdict.outcome = Outcome::io_error;
        verdict.reasons.push_back(
            fmt::format("the daemon exited at {:.1f} s with code {}, before it was asked to; "
                        "its device lost its server",
                        exit.at_s, exit.code));
    }
    if (!exit.last_words.empty()) {
        verdict.reasons.push_back("its last words: " + exit.last_words);
    }
}

// The last point and one about a stall window (or a quarter of the run) before it.
struct Tail {
    const ProgressPoint* from = nullptr;
    const ProgressPoint* to = nullptr;
};

Tail tail_of(const Evidence& evidence) {
    Tail tail;
    if (evidence.progress.size() < 2) {
        return tail;
    }
    tail.to = &evidence.progress.back();
    const double span = evidence.limits.stall_window_s > 0
                            ? evidence.limits.stall_window_s
                            : (tail.to->at_s - evidence.progress.front().at_s) / 4;
    for (const ProgressPoint& point : evidence.progress) {
        if (tail.from == nullptr || point.at_s <= tail.to->at_s - span) {
            tail.from = &point;
        }
    }
    return tail;
}

// Requests that the daemon is known to have completed in that time; a point at which it did not answer tells
// nothing.
// nullopt: it did not tell.
std::optional<std::uint64_t> daemon_completions(const Evidence& evidence, const Tail& tail) {
    std::optional<std::uint64_t> first;
    std::uint64_t last = 0;
    for (const ProgressPoint& point : evidence.progress) {
        if (point.at_s >= tail.from->at_s && point.daemon_completed) {
            first = first.value_or(*point.daemon_completed);
            last = *point.daemon_completed;
        }
    }
    return first ? std::optional(last - *first) : std::nullopt;
}

// Between two looks at the counters; of a machine that is too busy for its observer.
double longest_gap(const std::vector<ProgressPoint>& progress) {
    double longest = 0;
    for (std::size_t i = 1; i < progress.size(); ++i) {
        longest = std::max(longest, progress[i].at_s - progress[i - 1].at_s);
    }
    return longest;
}

void judge_unfinished(const Evidence& evidence, Verdict& verdict) {
    const evidence::WorkloadResult& workload = evidence.workload;
    const std::string ended = text_or(workload.ended, "end not recorded");
    verdict.outcome = Outcome::inconclusive;
    if (!workload.started) {
        verdict.reasons.emplace_back("the workload was not started");
        return;
    }
    const Tail tail = tail_of(evidence);
    if (tail.to == nullptr || tail.to->at_s <= tail.from->at_s) {
        verdict.reasons.push_back("the workload did not finish (" + ended +
                                  "), and its progress was not recorded");
        return;
    }
    const double span = tail.to->at_s - tail.from->at_s;
    // Progress is what it is for a stall: one I/O of the device may be hundreds of requests to the daemon.
    const std::uint64_t device = tail.to->device_completed - tail.from->device_completed;
    const auto daemon = daemon_completions(evidence, tail);
    const std::string done =
        fmt::format("the upper device completed {}{} in the last {:.1f} s", counted(device, "I/O"),
                    daemon ? " and the daemon " + counted(*daemon, "request") : "", span);
    if ((device == 0 && daemon.value_or(0) == 0) || ended.starts_with("signal")) {
        verdict.reasons.push_back(
            fmt::format("the workload did not finish ({}); {}, and no stall was recorded", ended, done));
        return;
    }
    if (const auto gap = longest_gap(evidence.progress); gap >= evidence.limits.stall_window_s) {
        verdict.reasons.push_back(
            fmt::format("the workload did not finish in its time ({}), and the harness itself did not get to "
                        "look for {:.1f} s, "
                        "in which a stall of {:.0f} s would not have been seen",
                        ended, gap, evidence.limits.stall_window_s));
        return;
    }
    verdict.outcome = Outcome::slow;
    verdict.reasons.push_back(fmt::format(
        "the workload did not finish in its time ({}; budget {:.0f} s), but went on: {} ({:.1f} I/Os a "
        "second); {:.1f} MiB in {:.1f} s overall",
        ended, evidence.limits.time_budget_s, done, static_cast<double>(device) / span,
        static_cast<double>(workload.bytes) / mebibyte, workload.duration_s));
    if (evidence.trace.throttle_count > 0) {
        verdict.reasons.push_back(fmt::format(
            "the daemon's threads were throttled {}{}", counted(evidence.trace.throttle_count, "time"),
            evidence.trace.throttles.empty() ? ""
                                             : ", last: " + evidence.trace.throttles.back().event + " " +
                                                   evidence.trace.throttles.back().detail));
    }
}

void judge_workload(const Evidence& evidence, Verdict& verdict) {
    const evidence::WorkloadResult& workload = evidence.workload;
    const evidence::Verification& verified = evidence.verification;
    if (workload.errors > 0 || !workload.first_error.empty()) {
        verdict.outcome = Outcome::io_error;
        verdict.reasons.push_back(fmt::format("the workload saw {}; first: {}",
                                              counted(workload.errors, "error"),
                                              text_or(workload.first_error, "(not recorded)")));
    }
    if (verified.files_wrong > 0) {
        verdict.outcome = Outcome::io_error;
        verdict.reasons.push_back(fmt::format("{} of {} verified files are wrong; first: {}",
                                              verified.files_wrong, verified.files_checked,
                                              text_or(verified.first_difference, "(not recorded)")));
    }
    if (verdict.outcome == Outcome::io_error) {
        return;
    }
    if (!workload.finished) {
        judge_unfinished(evidence, verdict);
        return;
    }
    const std::string done = fmt::format("the workload did all its work in {:.1f} s", workload.duration_s);
    if (!verified.done) {
        verdict.outcome = Outcome::inconclusive;
        verdict.reasons.push_back(
            done + ", but its data was not verified: " + text_or(verified.skipped_reason, "no reason given"));
        return;
    }
    const bool late =
        evidence.limits.time_budget_s > 0 && workload.duration_s > evidence.limits.time_budget_s;
    verdict.outcome = late ? Outcome::slow : Outcome::completes;
    verdict.reasons.push_back(
        fmt::format("{}{}, and {} ({} bytes) verified", done,
                    late ? fmt::format(" (budget {:.0f} s)", evidence.limits.time_budget_s) : "",
                    counted(verified.files_checked, "file"), verified.bytes_checked));
}

// Rules 1 and 2; true if one holds.
bool judge_not_run(const Evidence& evidence, Verdict& verdict) {
    if (!evidence.harness_error.empty()) {
        verdict.outcome = Outcome::harness_error;
        verdict.reasons.push_back("the harness failed: " + evidence.harness_error);
        return true;
    }
    if (evidence.daemon_failure) {
        verdict.outcome = Outcome::harness_error;
        verdict.reasons.push_back(daemon_failure_sentence(*evidence.daemon_failure));
        return true;
    }
    if (!evidence.unsupported_reason.empty()) {
        verdict.outcome = Outcome::unsupported;
        verdict.reasons.push_back("this machine cannot run it: " + evidence.unsupported_reason);
        return true;
    }
    for (const Mitigation& mitigation : evidence.mitigations) {
        if (!mitigation.applied) {
            verdict.outcome = Outcome::unsupported;
            verdict.reasons.push_back(fmt::format("mitigation {} is not in force: {}", mitigation.name,
                                                  text_or(mitigation.detail, "no reason given")));
        }
    }
    return verdict.outcome == Outcome::unsupported;
}

std::string in_vain(const ReliefRung& rung) {
    if (!rung.applied) {
        return rung.rung + " (not applied)";
    }
    return rung.rung + (rung.remains.empty() ? "" : " (not undone)");
}

// Evidence of older runs has no rates.
std::string rates_of(const ReliefRung& rung) {
    return rung.before.over_s > 0
               ? fmt::format(" ({:.1f} I/Os a second before it, {:.1f} in the {:.1f} s under it)",
                             rung.before.ios, rung.during.ios, rung.during.over_s)
               : "";
}

std::optional<Relief> relief_of(const std::vector<ReliefRung>& tried) {
    std::vector<std::string> failed;
    for (const ReliefRung& rung : tried) {
        if (rung.released && rung.applied) {
            const std::string before = failed.empty() ? "" : "; in vain before it: " + join(failed, ", ");
            return Relief{.rung = rung.rung,
                          .after_s = rung.after_s,
                          .sentences = {fmt::format("relieved by {} after {:.1f} s{}{}", rung.rung,
                                                    rung.after_s, rates_of(rung), before)}};
        }
        failed.push_back(in_vain(rung));
    }
    if (failed.empty()) {
        return std::nullopt;
    }
    const bool tried_any = std::ranges::any_of(tried, [](const ReliefRung& rung) { return rung.applied; });
    return Relief{
        .rung = "none",
        .after_s = std::nullopt,
        .sentences = {(tried_any ? "not relieved: in vain " : "no relief was tried: ") + join(failed, ", ")}};
}

// What became of the data that an fsync had acknowledged before the stall. Empty: it was not looked at.
std::string acknowledged_data(const evidence::Verification& verified, bool relieved) {
    if (verified.mode != "acknowledged") {
        return "";
    }
    const std::string_view when = relieved ? "after the relief" : "after the stall was broken up";
    if (!verified.done) {
        return fmt::format("acknowledged data were not read back {}: {}", when,
                           text_or(verified.skipped_reason, "no reason given"));
    }
    if (verified.files_wrong > 0) {
        return fmt::format(
            "LOST: {} of {} files and names acknowledged by fsync are missing or wrong {} ({}); first: {}",
            verified.files_wrong, verified.files_checked, when, verified.how,
            text_or(verified.first_difference, "(not recorded)"));
    }
    if (verified.files_checked == 0) {
        return fmt::format("no file was acknowledged by fsync and then left alone: nothing to read back {}",
                           when);
    }
    return fmt::format("{} files and names acknowledged by fsync were read back {} ({}): all there",
                       verified.files_checked, when, verified.how);
}

void judge_relief(const Evidence& evidence, Verdict& verdict) {
    verdict.relief = relief_of(evidence.relief);
    std::vector<std::string> sentences =
        verdict.relief ? verdict.relief->sentences : std::vector<std::string>{};
    if (std::string data =
            acknowledged_data(evidence.verification, verdict.relief && verdict.relief->after_s.has_value());
        !data.empty()) {
        sentences.push_back(std::move(data));
    }
    verdict.reasons.insert(verdict.reasons.end(), sentences.begin(), sentences.end());
    if (verdict.relief) {
        verdict.relief->sentences = std::move(sentences);
    }
}

template <class Words>
bool allows(const Words& words, std::string_view word) {
    return words.empty() || std::ranges::find(words, word) != words.end();
}

bool is_met(const Verdict& verdict) {
    const bool not_run = verdict.outcome == Outcome::unsupported || verdict.outcome == Outcome::harness_error;
    if (not_run) {
        return !verdict.expected.outcome.empty() &&
               allows(verdict.expected.outcome, to_string(verdict.outcome));
    }
    return allows(verdict.expected.outcome, to_string(verdict.outcome)) &&
           allows(verdict.expected.recursion, verdict.recursion ? to_string(*verdict.recursion) : "");
}

// The machine itself ended in the run: what was seen until then decides, and a stall may be all of it.
void judge_lost_guest(const Evidence& evidence, Verdict& verdict) {
    verdict.outcome = Outcome::inconclusive;
    verdict.reasons.push_back(evidence.guest->detail);
    if (evidence.progress.empty()) {
        verdict.reasons.emplace_back("it was lost before the workload began");
        return;
    }
    const ProgressPoint& last = evidence.progress.back();
    verdict.reasons.push_back(fmt::format(
        "last seen {:.1f} s after the workload began: {} I/Os of the upper device done, {} in flight, "
        "and no stall so far",
        last.at_s, last.device_completed, last.device_in_flight));
}

void judge_run(const Evidence& evidence, Verdict& verdict) {
    std::vector<Watched> tasks;
    if (evidence.stall) {
        tasks = watch(*evidence.stall);
    }
    const bool exited = evidence.daemon_exit && evidence.daemon_exit->unexpected;
    const bool exit_first =
        exited && !(evidence.stall && evidence.daemon_exit->at_s >= evidence.stall->detected_s);
    if (exit_first) {
        judge_daemon_exit(*evidence.daemon_exit, verdict);
    } else if (evidence.stall) {
        judge_stall(evidence, tasks, verdict);
    } else if (guest_was_lost(evidence)) {
        judge_lost_guest(evidence, verdict);
    } else {
        judge_workload(evidence, verdict);
    }
    verdict.incidents = incident_sentences(evidence, tasks);
    verdict.reasons.insert(verdict.reasons.end(), verdict.incidents.begin(), verdict.incidents.end());
    RecursionFinding recursion = judge_recursion(evidence, tasks);
    verdict.recursion = recursion.recursion;
    verdict.reasons.insert(verdict.reasons.end(), recursion.reasons.begin(), recursion.reasons.end());
    verdict.recursion_proof = evidence.trace.available ? strongest_reclaim(evidence) : std::nullopt;
    judge_relief(evidence, verdict);
    if (exited && !exit_first) {
        verdict.reasons.push_back(fmt::format("the daemon ended at {:.1f} s, after the stall was found",
                                              evidence.daemon_exit->at_s));
    }
    add_faults(evidence, verdict);
    add_meanwhile(evidence, verdict);
    add_hog(evidence, verdict);
    add_guest(evidence, verdict);
    verdict.reasons.insert(verdict.reasons.end(), recursion.notes.begin(), recursion.notes.end());
    constexpr std::size_t shown = 2;
    for (std::size_t i = 0; i < std::min(shown, evidence.kernel_log.size()); ++i) {
        verdict.reasons.push_back("kernel log: " + evidence.kernel_log[i]);
    }
}

}  // namespace

std::string_view to_string(Outcome outcome) {
    switch (outcome) {
        case Outcome::completes:
            return "completes";
        case Outcome::slow:
            return "slow";
        case Outcome::livelock:
            return "livelock";
        case Outcome::deadlock:
            return "deadlock";
        case Outcome::daemon_killed:
            return "daemon_killed";
        case Outcome::io_error:
            return "io_error";
        case Outcome::inconclusive:
            return "inconclusive";
        case Outcome::unsupported:
            return "unsupported";
        case Outcome::harness_error:
            return "harness_error";
    }
    return "inconclusive";
}

std::string_view to_string(Recursion recursion) {
    switch (recursion) {
        case Recursion::none:
            return "none";
        case Recursion::reclaim:
            return "reclaim";
        case Recursion::upper:
            return "upper";
    }
    return "none";
}

Verdict judge(const Evidence& evidence) {
    Verdict verdict;
    verdict.expected = evidence.expected;
    if (!judge_not_run(evidence, verdict)) {
        judge_run(evidence, verdict);
    }
    if (!evidence.leftovers.empty()) {
        verdict.reasons.push_back("teardown could not remove: " + join(evidence.leftovers, ", "));
    }
    verdict.met = is_met(verdict);
    add_status(verdict);
    return verdict;
}

}  // namespace reflux::verdict
