#include "harness/verdict/asides.h"

#include "harness/verdict/words.h"

#include <utility>

#include <fmt/format.h>

namespace reflux::verdict {

void add_faults(const evidence::Evidence& evidence, Verdict& verdict) {
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

void add_meanwhile(const evidence::Evidence& evidence, Verdict& verdict) {
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
    verdict.reasons.push_back(std::move(text));
    if (!it.undo_failure.empty()) {
        verdict.reasons.push_back("what was done meanwhile could not be undone: " + it.undo_failure);
    }
}

}  // namespace reflux::verdict
