// Did I/O resume, and did it go on? Pure functions over the counters of a run.
#pragma once

#include "backend/base/units.h"
#include "harness/evidence/evidence.h"

#include <span>

namespace reflux::run {

using Points = std::span<const evidence::ProgressPoint>;

// What was completed between two moments, by the last points at or before them.
evidence::CompletionRate completion_rate(Points points, double from_s, double to_s);

// The rule that stands at evidence::ReliefRung, for every rung but abort.
struct ResumptionRule {
    double begin_s = 0;                // of the rung
    Seconds rung_time{2};              // within this it must begin
    evidence::CompletionRate healthy;  // how fast it went before the stall
    bool workload_gone = false;
};

struct Resumption {
    bool resumed = false;
    double first_s = 0;    // when resumed: the first of the completions that went on
    bool decided = false;  // more points will change nothing
};

// `points` begin with one at or before begin_s, with which the first later one is compared.
Resumption judge_resumption(Points points, const ResumptionRule& rule);

}  // namespace reflux::run
