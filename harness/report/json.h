// A verdict for programs: verdict.json, one element of the array that `reflux run --json` prints.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/cure.h"
#include "harness/verdict/verdict.h"

#include <string>

namespace reflux::report {

// One JSON object, indented, without a newline at its end:
//   schema (1), scenario, outcome, recursion (null: unknown), relief ({rung, after_s} or null), expected
//   ({outcome, recursion}, lists), met, reasons, cycle, run_dir, duration_s;
//   kernel, cgroup_version, upper_fs, lower_fs, front_end, placement, engine, mitigations
//   ([{name, applied, detail}]), proof (null or the blocked thread: tid, thread, state, watched_s, switches,
//   cpu_ticks, stack, deciding, gfp_flags, last_event and event counts), waiting, leftovers.
std::string verdict_json(const evidence::Evidence& evidence, const verdict::Verdict& verdict,
                         const std::string& run_dir);

// The same object with what its batch proves of the cure: proof_of_cure ({proven, missing, chance}), in the
// place of one that it may have. Only a batch has it: a verdict by itself, as a run folder keeps it, proves
// no cure.
std::string with_proof(const std::string& verdict_json, const verdict::ProofOfCure& proof);

}  // namespace reflux::report
