// What else a reader must know of a run: its guest, what was done on purpose, that its hang could not be
// provoked so far. Reasons that come after those that decide. Pure.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/verdict.h"

#include <string>

namespace reflux::verdict {

bool guest_was_lost(const evidence::Evidence& evidence);

void add_guest(const evidence::Evidence& evidence, Verdict& verdict);
// A run that went on to its end without its fault is inconclusive: it says nothing of what the fault does.
void add_faults(const evidence::Evidence& evidence, Verdict& verdict);
// The same of a command of which no round worked.
void add_meanwhile(const evidence::Evidence& evidence, Verdict& verdict);
// Of a hog that took nothing, or was gone before the pressure was over: the same, and it is the first reason.
void add_hog(const evidence::Evidence& evidence, Verdict& verdict);
// Why there was no run: whose command it was, how it ended, what was waited for, the end of its log.
std::string daemon_failure_sentence(const evidence::DaemonFailure& failure);
// Of a scenario whose source's hang could not be provoked so far. When it is known whether the expectation is
// met.
void add_status(Verdict& verdict);

}  // namespace reflux::verdict
