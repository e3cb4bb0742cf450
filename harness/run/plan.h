// From a scenario to what the parts of a run are asked for. Pure but for environment().
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/pressure/memcg.h"
#include "harness/probe/memory_cgroup.h"
#include "harness/run/remedies.h"
#include "harness/scenario/scenario.h"
#include "harness/stack/stack.h"
#include "harness/workload/plan.h"

#include <string>
#include <vector>

namespace reflux::run {

pressure::MemcgPlan make_memcg_plan(const scenario::Scenario& scenario, const probe::MemoryCgroup& host);

struct RunPlace {
    std::string folder;            // run folder
    bool outlive_harness = false;  // the stack stays when the harness has ended
};
stack::Plan make_stack_plan(const scenario::Scenario& scenario, const Mitigations& mitigations,
                            const pressure::Memcg& memcg, const RunPlace& place);

// `capacity`: size of the upper device.
workload::WorkloadPlan make_workload_plan(const scenario::Scenario& scenario, Bytes capacity);

// What is known of a run before it is made.
evidence::Evidence expected_evidence(const scenario::Scenario& scenario);
// Where the memory controller is cgroup v2, its expectations replace those that they name.
void expect_of_v2(const scenario::Expect& v2, evidence::Expectation& expected);

// This machine.
evidence::Environment environment();

}  // namespace reflux::run
