// A verdict as it stands in a run folder: verdict.json, read back as far as a count of many runs or a report
// of them needs it. What was observed is in evidence.json beside it.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/cost_figures.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::report {

// By an outcome's word: nothing is known of the stack by such a run. It misses no expectation; a harness that
// failed is trouble of its own.
inline bool was_not_made(std::string_view outcome) {
    return outcome == "unsupported" || outcome == "harness_error";
}

// Keys and units are those of docs/evidence.md; a key that the file has not is empty, 0 or nullopt here.
struct RunVerdict {
    std::string scenario;
    std::string outcome;               // "deadlock"
    std::string recursion;             // "upper"; "unknown" where it is null
    std::vector<std::string> reasons;  // the first one decides the outcome
    std::vector<std::string> cycle;
    evidence::Expectation expected;
    bool met = false;
    std::string relief;                    // the rung that released, "none": none did; empty: none was tried
    std::optional<double> relief_after_s;  // nullopt: none released
    std::string run_dir;                   // where it was made
    double duration_s = 0;                 // 0 to 1e9, whatever the file says
    std::string kernel;                    // uname -r
    std::string cgroup;                    // "v1" | "v2"
    std::string upper_fs;
    std::string lower_fs;
    std::string front_end;
    std::string placement;
    std::string engine;
    std::vector<evidence::Mitigation> mitigations;
    std::optional<evidence::Guest> guest;  // nullopt: it was made on the machine itself
    double time_factor = 1;
    std::vector<std::string> leftovers;
    std::optional<verdict::CostFigures> cost;  // nullopt: not measured

    // "deadlock or livelock, recursion upper"; "" where nothing was expected, and nothing can differ.
    [[nodiscard]] std::string expected_words() const;
    [[nodiscard]] bool is_judged() const { return !expected.outcome.empty() || !expected.recursion.empty(); }
    // Its expectation names the outcome, and is met.
    [[nodiscard]] bool foreseen() const { return met && !expected.outcome.empty(); }
    [[nodiscard]] bool was_not_made() const { return report::was_not_made(outcome); }
    [[nodiscard]] bool misses() const { return !met && !was_not_made(); }
};

// Reads what verdict_json() (report/json.h) wrote. nullopt: it is no JSON object, lacks outcome, recursion,
// reasons, met or leftovers, has a key of another type, or is nested more than 100 deep.
std::optional<RunVerdict> parse_verdict(std::string_view json);

}  // namespace reflux::report
