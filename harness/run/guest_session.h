// The part of `run --vm` inside of the guest: one run of one scenario, its results in a folder that the host
// sees.
#pragma once

#include "harness/run/exit_status.h"

#include <string>

namespace reflux::run {

struct GuestSession {
    std::string scenario;        // file
    std::string folder;          // run folder, exists
    std::string reclaim_module;  // as SessionPlan has it
    double host_work_s = 0;  // probe::time_of_fixed_work() of the host: by how much this machine is slower,
                             // the scenario's times are stretched
};

// `met` once the results are written, whatever the verdict: the host judges.
ExitCode run_guest_session(const GuestSession& plan);

}  // namespace reflux::run
