#include "harness/report/html/series.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace reflux::report::html {

Series series_of(const Progress& progress,
                 const std::function<std::optional<double>(const evidence::ProgressPoint&)>& value) {
    Series series;
    for (const auto& point : progress) {
        const auto found = value(point);
        const bool later = series.empty() || point.at_s > series.back().at_s;
        if (found && std::isfinite(*found) && std::isfinite(point.at_s) && later) {
            series.push_back({.at_s = point.at_s, .value = *found});
        }
    }
    return series;
}

Series rate_of(const Series& counter) {
    Series rates;
    for (std::size_t i = 0; i < counter.size(); ++i) {
        // A counter that falls is one that began anew.
        const double grown = i == 0 ? 0 : std::max(counter[i].value - counter[i - 1].value, 0.0);
        constexpr double least_time = 1e-6;  // points that are nearer than that are damage
        const double time = i == 0 ? 1 : std::max(counter[i].at_s - counter[i - 1].at_s, least_time);
        rates.push_back({.at_s = counter[i].at_s, .value = grown / time});
    }
    return rates;
}

Series thinned(const Series& series, std::size_t most) {
    if (series.size() <= most) {
        return series;
    }
    Series few;
    for (std::size_t i = 0; i < most; ++i) {
        const auto begin = series.begin() + static_cast<std::ptrdiff_t>(i * series.size() / most);
        const auto end = series.begin() + static_cast<std::ptrdiff_t>((i + 1) * series.size() / most);
        few.push_back({.at_s = std::prev(end)->at_s,
                       .value = std::max_element(begin, end, [](const Point& a, const Point& b) {
                                    return a.value < b.value;
                                })->value});
    }
    return few;
}

double peak_of(const Series& series) {
    double peak = 0;
    for (const auto& point : series) {
        peak = std::max(peak, point.value);
    }
    return peak;
}

std::string steps(const Series& series, const Frame& frame, bool closed) {
    const auto x = [&frame](double at_s) {
        return std::clamp((at_s - frame.from_s) / (frame.to_s - frame.from_s), 0.0, 1.0) * frame.width;
    };
    const auto y = [&frame](double value) {
        return frame.height - std::clamp(value / frame.top, 0.0, 1.0) * frame.height;
    };
    if (series.empty()) {
        return "";
    }
    std::string path = closed
                           ? fmt::format("M{:.1f} {:g}V{:.1f}", x(series.front().at_s), frame.height,
                                         y(series.front().value))
                           : fmt::format("M{:.1f} {:.1f}", x(series.front().at_s), y(series.front().value));
    for (std::size_t i = 1; i < series.size(); ++i) {
        path += fmt::format("V{:.1f}H{:.1f}", y(series[i].value), x(series[i].at_s));
    }
    return closed ? path + fmt::format("V{:g}z", frame.height) : path;
}

}  // namespace reflux::report::html
