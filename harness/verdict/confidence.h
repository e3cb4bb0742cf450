// How much a count of runs says: exact binomial bounds (Clopper and Pearson, Biometrika 26, 1934).
#pragma once

#include <string>

namespace reflux::verdict {

// `count` of `trials` were so, and `undecided` more of them may have been.
struct Share {
    unsigned count = 0;
    unsigned trials = 0;
    unsigned undecided = 0;  // count + undecided <= trials
};

// The probability of being so lies between these.
struct Bounds {
    double lower = 0;
    double upper = 1;
};
// With 95% confidence: both sides of the interval, 2.5% left out at each. Where none or all were so, one side
// has nothing to say and the other gets the whole 5%: 0 of 20 is at most 13.9% (both sides: 16.8%). Each such
// bound holds with 95%; over all counts together the rule covers at least 92.5%. What is undecided counts
// against each side.
Bounds bounds_of(const Share& share);

// "at least 86%", "at most 14%", "45% to 89%", "nothing known"; rounded away from the middle, to whole
// percents, or tenths near 0 and 100.
std::string to_string(const Bounds& bounds);
// "20 of 20 (at least 86%)"; "0 to 2 of 20 (at most 29%)" where two are undecided.
std::string to_string(const Share& share);

}  // namespace reflux::verdict
