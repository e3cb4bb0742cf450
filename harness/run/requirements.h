// What a scenario needs of this machine, asked before anything is made.
#pragma once

#include "backend/base/result.h"
#include "harness/mitigation/mitigation.h"
#include "harness/scenario/scenario.h"

#include <string>
#include <vector>

namespace reflux::run {

// The first thing that is missing, as an `unsupported` error with what to do. `in_guest`: this machine is a
// guest of `run --vm`.
Status check_requirements(const scenario::Scenario& scenario, const std::vector<mitigation::Row>& mitigations,
                          bool in_guest);

// Path of the running program.
std::string own_path();
// refluxd beside it.
std::string refluxd_path();
// Where lower images are made: $TMPDIR or /var/tmp.
std::string image_folder();

}  // namespace reflux::run
