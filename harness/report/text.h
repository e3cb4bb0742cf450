// A verdict for people.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/verdict.h"

#include <string>

namespace reflux::report {

// At most this many lines come out of explain(), of at most 120 columns.
inline constexpr int explain_max_lines = 25;

// Plain lines that somebody who was not there understands: headline, what stalled when, what reclaim did,
// which rung of the relief ladder freed it, the wait cycle, who else waits, the blocked daemon thread's stack
// (deciding frames marked with '*'), and whether the expectation was met. What has no room is cut, with its
// number; the verdict has it. Ends with a newline.
std::string explain(const evidence::Evidence& evidence, const verdict::Verdict& verdict);

// The same at length, in lines of explain_whole_columns: what is cut above, whole stacks of all tasks that
// wait, the reclaims that were kept, each rung of the relief with its rates. Harmless to a terminal. Ends
// with a newline.
inline constexpr int explain_whole_columns = 100;
std::string explain_whole(const evidence::Evidence& evidence, const verdict::Verdict& verdict);

// "fuse-ext4-shared-memcg  deadlock  upper  abort 1.2 s  met", columns padded for a table; no newline.
std::string one_line(const evidence::Evidence& evidence, const verdict::Verdict& verdict);

}  // namespace reflux::report
