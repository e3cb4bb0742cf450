// What the verdict's texts for people, the short one and the whole one (text.h), say alike: one sentence
// each, not broken into lines and not yet harmless to a terminal.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/verdict.h"

#include <string>
#include <string_view>

namespace reflux::report {

std::string_view recursion_word(const verdict::Verdict& verdict);
// "abort 0.1 s"; "-": no relief was tried
std::string relief_word(const verdict::Verdict& verdict);

// "NAME: deadlock, recursion upper: the daemon waits for something that only the daemon can complete"
std::string headline_sentence(const evidence::Evidence& evidence, const verdict::Verdict& verdict);
// What was run, on what.
std::string setting(const evidence::Evidence& evidence);
// "refluxd[4240], state D, 0 context switches in 8.1 s"
std::string proof_sentence(const verdict::Proof& proof);
// Thread, kind, mask, when and how long, what it freed.
std::string reclaim_sentence(const verdict::RecursionProof& proof);
// "expectation met: outcome deadlock or livelock, recursion upper"
std::string expectation(const verdict::Verdict& verdict);

}  // namespace reflux::report
