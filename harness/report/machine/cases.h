// The runs of a report as the test cases that machine formats have in common.
#pragma once

#include "harness/report/counted.h"

#include <string>
#include <vector>

namespace reflux::report::machine {

enum class Status {
    passed,    // the expectation is met
    failed,    // another verdict than was expected; `inconclusive` too, where it was not expected
    unjudged,  // nothing was expected: neither right nor wrong
    skipped,   // this machine or kernel cannot run it
    broken,    // the harness failed, or left something behind: nothing is said of the kernel
};
// Of a verdict by itself. In cases_of() a cure of which nothing was expected fails if it stalls beside a
// baseline that was troubled (verdict/tally.h).
Status status_of(const RunVerdict& verdict);

struct Case {
    const Run* run = nullptr;  // lives as long as the report
    std::string kernel;        // as Counted names places: "6.1.0-56-amd64", "6.18.5 (host)"
    std::string name;          // of the scenario; from its second run on that kernel on "NAME run 2"
    Status status = Status::passed;
    std::string summary;  // "deadlock, recursion upper, where completes was expected: the reason"
};

// In the order of the report's runs, kernel by kernel in the order in which they come first.
std::vector<Case> cases_of(const Report& report);

// Neither passed nor failed, for consumers that know only that.
bool is_skipped(const Case& one);

// All reasons, the cycle and what was left behind, a line each.
std::vector<std::string> details_of(const RunVerdict& verdict);

}  // namespace reflux::report::machine
