#include "harness/verdict/confidence.h"

#include <cmath>

#include <boost/math/distributions/binomial.hpp>
#include <fmt/format.h>

namespace reflux::verdict {
namespace {

using Binomial = boost::math::binomial_distribution<double>;

constexpr double left_out = 0.05;

// Away from the middle, so that what is printed holds; an error of the arithmetic costs no whole step.
std::string percent(double probability, bool up) {
    constexpr double error = 1e-9;
    const double steps = probability < 0.01 || probability > 0.99 ? 1000 : 100;
    const double rounded =
        up ? std::ceil(probability * steps - error) : std::floor(probability * steps + error);
    return fmt::format("{:g}%", rounded * 100 / steps);
}

}  // namespace

Bounds bounds_of(const Share& share) {
    const unsigned most = share.count + share.undecided;
    const bool bounded_below = share.count > 0;
    const bool bounded_above = most < share.trials;
    const double side = bounded_below && bounded_above ? left_out / 2 : left_out;
    return {.lower = bounded_below ? Binomial::find_lower_bound_on_p(share.trials, share.count, side) : 0,
            .upper = bounded_above ? Binomial::find_upper_bound_on_p(share.trials, most, side) : 1};
}

std::string to_string(const Bounds& bounds) {
    const auto lower = percent(bounds.lower, false);
    const auto upper = percent(bounds.upper, true);
    if (bounds.lower > 0 && bounds.upper < 1) {
        return fmt::format("{} to {}", lower, upper);
    }
    if (bounds.lower > 0) {
        return "at least " + lower;
    }
    return bounds.upper < 1 ? "at most " + upper : "nothing known";
}

std::string to_string(const Share& share) {
    const std::string range = share.undecided > 0
                                  ? fmt::format("{} to {}", share.count, share.count + share.undecided)
                                  : fmt::format("{}", share.count);
    return fmt::format("{} of {} ({})", range, share.trials, to_string(bounds_of(share)));
}

}  // namespace reflux::verdict
