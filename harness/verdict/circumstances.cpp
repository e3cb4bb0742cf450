#include "harness/verdict/circumstances.h"

#include "harness/verdict/words.h"

#include <utility>

#include <fmt/format.h>

namespace reflux::verdict {

using evidence::Evidence;

bool guest_was_lost(const Evidence& evidence) {
    return evidence.guest && evidence.guest->end != "ended";
}

void add_guest(const Evidence& evidence, Verdict& verdict) {
    if (evidence.stall && guest_was_lost(evidence)) {
        verdict.reasons.push_back("after the stall was found, " + evidence.guest->detail);
    }
    for (const std::string& lost :
         evidence.guest ? evidence.guest->lost_before : std::vector<std::string>{}) {
        verdict.reasons.push_back("a guest before this one was lost before its workload began: " + lost);
    }
    constexpr double visible = 1.05;
    if (evidence.limits.time_factor >= visible) {
        verdict.reasons.push_back(fmt::format(
            "times are stretched by {:.1f}, for the guest is slower than its host: stall window {:.0f} s, "
            "time budget "
            "{:.0f} s; {:.0f} MiB of work",
            evidence.limits.time_factor, evidence.limits.stall_window_s, evidence.limits.time_budget_s,
            static_cast<double>(evidence.limits.work_bytes) / mebibyte));
    }
}

void add_faults(const Evidence& evidence, Verdict& verdict) {
    for (const evidence::Fault& fault : evidence.faults) {
        if (!fault.at_s) {
            if (verdict.outcome == Outcome::completes || verdict.outcome == Outcome::slow) {
                verdict.outcome = Outcome::inconclusive;
            }
            verdict.reasons.push_back(
                fmt::format("the fault {} was not injected: {}", fault.name, fault.detail));
            continue;
        }
        verdict.reasons.push_back(
            fmt::format("a fault was injected at {:.1f} s: {}, {}{}", *fault.at_s, fault.name, fault.detail,
                        fault.lifted_s ? fmt::format("; lifted at {:.1f} s", *fault.lifted_s) : ""));
    }
}

// It decides nothing: a run is judged by what it shows, and one that shows the hang differs from what is
// expected.
void add_status(Verdict& verdict) {
    const auto& expected = verdict.expected;
    const bool judged = verdict.outcome != Outcome::unsupported && verdict.outcome != Outcome::harness_error;
    if (expected.status.empty() || !judged) {
        return;
    }
    verdict.reasons.push_back(
        verdict.met
            ? fmt::format("{} so far, nor in this run; tried: {}", expected.status,
                          join(expected.tried, "; "))
            : fmt::format("its file says \"{}\", and this run is another than the attempts that it lists",
                          expected.status));
}

void add_meanwhile(const Evidence& evidence, Verdict& verdict) {
    if (!evidence.meanwhile) {
        return;
    }
    const evidence::Meanwhile& it = *evidence.meanwhile;
    std::string text = fmt::format("meanwhile `{}` was done {}", it.command, counted(it.rounds, "time"));
    if (it.rounds > 0) {
        text += fmt::format(", in {} at most", time_words(it.longest_s));
    }
    if (it.failed > 0) {
        text += fmt::format("; {} failed, first {}", it.failed, it.first_failure);
    }
    if (it.hanging_s) {
        text += fmt::format("; one more had not ended after {}", time_words(*it.hanging_s));
    }
    const bool none_worked = !it.hanging_s && it.rounds == it.failed;
    if (none_worked && (verdict.outcome == Outcome::completes || verdict.outcome == Outcome::slow)) {
        verdict.outcome = Outcome::inconclusive;
        text += "; so this run says nothing of what it does";
    }
    verdict.reasons.push_back(std::move(text));
    if (!it.undo_failure.empty()) {
        verdict.reasons.push_back("what was done meanwhile could not be undone: " + it.undo_failure);
    }
}

namespace {

std::string hog_sentence(const evidence::Hog& it) {
    std::string text =
        fmt::format("a hog of {:.1f} MiB ({}) ", static_cast<double>(it.asked_bytes) / mebibyte,
                    it.place == "machine" ? "without a limit" : "in the workload's memcg");
    if (!it.began_s) {
        return text + "was not started: the workload had not written enough";
    }
    text += fmt::format("began at {:.1f} s and took {:.1f} MiB at most", *it.began_s,
                        static_cast<double>(it.most_taken_bytes) / mebibyte);
    if (it.syncs) {
        text += fmt::format(", with {}", counted(*it.syncs, "sync"));
    }
    if (it.oom_killed > 0) {
        text += fmt::format("; the OOM killer took it {}", counted(it.oom_killed, "time"));
    }
    if (it.failed > 0) {
        text += fmt::format("; it ended {} by other means, first: {}", counted(it.failed, "time"),
                            text_or(it.first_failure, "not told"));
    }
    return text + (it.at_work ? "" : "; none was there when the pressure was over");
}

}  // namespace

void add_hog(const Evidence& evidence, Verdict& verdict) {
    if (!evidence.hog) {
        return;
    }
    const evidence::Hog& it = *evidence.hog;
    std::string text = hog_sentence(it);
    const bool pressed = it.began_s && it.most_taken_bytes > 0 && it.syncs.value_or(1) > 0 &&
                         (it.at_work || it.oom_killed > 0);
    if (pressed || (verdict.outcome != Outcome::completes && verdict.outcome != Outcome::slow)) {
        verdict.reasons.push_back(std::move(text));
        return;
    }
    verdict.outcome = Outcome::inconclusive;
    verdict.reasons.insert(verdict.reasons.begin(), text + "; so this run says nothing of its pressure");
}

std::string daemon_failure_sentence(const evidence::DaemonFailure& failure) {
    const bool ended = !failure.ended.empty();
    const std::string time = failure.waited_s > 0 ? fmt::format(" {:.1f} s", failure.waited_s) : "";
    std::string text = fmt::format("the daemon `{}` {}", failure.command,
                                   ended ? fmt::format("ended ({}){}, while", failure.ended,
                                                       time.empty() ? "" : time + " after its start")
                                         : fmt::format("runs, but did not come to serve:{}", time));
    text +=
        fmt::format(" {} waited for", ended ? "it was" : "were") + " " + text_or(failure.waited_for, "it");
    // The log first: a short text may cut the sentence.
    text += failure.last_lines.empty() ? std::string("; its log is empty")
                                       : "; its log ends: " + join(failure.last_lines, " | ");
    return text + (failure.trouble.empty() ? "" : "; " + failure.trouble);
}

}  // namespace reflux::verdict
