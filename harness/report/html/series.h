// Numbers over time made into the path of a picture. Pure.
#pragma once

#include "harness/evidence/evidence.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace reflux::report::html {

struct Point {
    double at_s = 0;
    double value = 0;
};
using Series = std::vector<Point>;

using Progress = std::vector<evidence::ProgressPoint>;

// A counter or figure of each progress point, as far as it is there; values that are no numbers are left out.
Series series_of(const Progress& progress,
                 const std::function<std::optional<double>(const evidence::ProgressPoint&)>& value);
// How fast a counter grew between its points: each value holds from the point before to its own.
Series rate_of(const Series& counter);
// At most so many points, of each stretch the highest, so that a peak stays one.
Series thinned(const Series& series, std::size_t most);
double peak_of(const Series& series);

// Where a path is drawn: time and value become 0 to width and height to 0.
struct Frame {
    double from_s = 0;
    double to_s = 1;
    double top = 1;  // the value at the upper edge
    double width = 1000;
    double height = 40;
};
// As steps: each value from the point before to its own. `closed`: down to the lower edge and back.
std::string steps(const Series& series, const Frame& frame, bool closed);

}  // namespace reflux::report::html
