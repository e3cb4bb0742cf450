// One run of one scenario, from the empty machine to the empty machine: stack up, pressure, watching, relief
// or verification, stack down. What it saw is the evidence; it judges nothing.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/run/console.h"
#include "harness/run/event_loop.h"
#include "harness/scenario/scenario.h"

#include <string>

namespace reflux::run {

struct SessionPlan {
    scenario::Scenario scenario;
    std::string folder;      // run folder, exists
    std::string state_root;  // where the journal is kept
    std::string run_id;      // short: names the journal's folder, the cgroups and the lower image
    bool keep = false;       // leave the stack standing
    // The prototype kernel module, to be loaded for the time of the run where a mitigation needs it; empty:
    // it is there already, or the run is unsupported.
    std::string reclaim_module;
    double time_factor = 1;  // by this the scenario's times have been stretched already
    // A guest of `run --vm`: evidence.json is written again and again while the run goes on, for its reader
    // may lose this machine.
    bool in_guest = false;
};

// Never fails as a whole: what went wrong is in the evidence (unsupported_reason, harness_error, leftovers).
evidence::Evidence run_session(const SessionPlan& plan, EventLoop& loop, Console& console);

}  // namespace reflux::run
