// A verdict for programs: verdict.json, one element of the array that `reflux run --json` prints.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/cost.h"
#include "harness/verdict/cure.h"
#include "harness/verdict/verdict.h"

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace reflux::report {

// One JSON object, indented, without a newline at its end:
//   schema (1), scenario, outcome, recursion (null: unknown), relief ({rung, after_s} or null), expected
//   ({outcome, recursion}, lists), met, reasons, cycle, run_dir, duration_s;
//   kernel, cgroup_version, upper_fs, lower_fs, front_end, placement, engine, mitigations
//   ([{name, applied, detail}]), proof (null or the blocked thread: tid, thread, state, watched_s, switches,
//   cpu_ticks, stack, deciding, gfp_flags, last_event and event counts), cost (null or its figures), waiting,
//   leftovers.
std::string verdict_json(const evidence::Evidence& evidence, const verdict::Verdict& verdict,
                         const std::string& run_dir);

// The same object with what its batch proves of the cure: proof_of_cure ({proven, missing, chance}), in the
// place of one that it may have. Only a batch has it: a verdict by itself, as a run folder keeps it, proves
// no cure.
std::string with_proof(const std::string& verdict_json, const verdict::ProofOfCure& proof);

// The same object with the ratio of its scenario's costs to the control's in its batch: cost_against_control
// ({control, control_runs, runs, throughput (null: not known), p99 ([{kind, ratio}])}), in the place of one
// that it may have; as it is where the batch has no control.
std::string with_cost(const std::string& verdict_json, const verdict::CostSummary& summary);

// Both, as far as a run has them.
std::string with_batch(const std::string& verdict_json, const verdict::BatchRun& run,
                       const std::vector<verdict::ProofOfCure>& proofs,
                       const std::vector<verdict::CostSummary>& costs);

// What verdict_json() wrote as `cost`; nullopt: there is none, or it is something else.
std::optional<verdict::CostFigures> cost_of(const nlohmann::ordered_json& verdict);
std::optional<verdict::CostFigures> cost_in(const std::string& verdict_json);

}  // namespace reflux::report
