#include "harness/run/resumption.h"

#include <algorithm>

namespace reflux::run {
namespace {

using evidence::CompletionRate;
using evidence::ProgressPoint;

constexpr double least_watch_s = 1;
constexpr double least_share = 0.1;    // of the rate before the stall
constexpr double steady_ticks = 0.75;  // of the ticks, with a completion in each

std::size_t index_at(Points points, double at_s) {
    const auto after = std::ranges::upper_bound(points, at_s, {}, &ProgressPoint::at_s);
    return after == points.begin() ? 0 : static_cast<std::size_t>(after - points.begin()) - 1;
}

// What the daemon had completed when it answered last, at or before `index`.
std::optional<std::uint64_t> daemon_completed(Points points, std::size_t index) {
    for (std::size_t i = index + 1; i-- > 0;) {
        if (points[i].daemon_completed) {
            return points[i].daemon_completed;
        }
    }
    return std::nullopt;
}

// A counter that could not be read once is 0 in its point.
std::uint64_t grown(std::uint64_t from, std::uint64_t to) {
    return to > from ? to - from : 0;
}

// Something completed between the point before `index` and the one at it.
bool completed_at(Points points, std::size_t index) {
    const auto daemon = points[index].daemon_completed;
    return points[index].device_completed != points[index - 1].device_completed ||
           (daemon && daemon != daemon_completed(points, index - 1).value_or(*daemon));
}

// Of what is completed more of, compared with what it was: I/Os or requests. Without a yardstick any rate
// will do.
bool fast_enough(const CompletionRate& rate, const CompletionRate& healthy) {
    const auto reaches = [](double now, double before) { return before > 0 && now >= least_share * before; };
    const bool unknown = healthy.ios <= 0 && healthy.requests.value_or(0) <= 0;
    return unknown || reaches(rate.ios, healthy.ios) ||
           reaches(rate.requests.value_or(0), healthy.requests.value_or(0));
}

bool drained(const ProgressPoint& point) {
    return point.device_in_flight == 0 && point.fuse_waiting.value_or(0) == 0;
}

// From the completion at `first` on, for `watch_s`, which `points` cover.
bool goes_on(Points points, std::size_t first, double watch_s, const ResumptionRule& rule) {
    const double end_s = points[first].at_s + watch_s;
    std::size_t ticks = 0;
    std::size_t with_completions = 0;
    std::size_t last = first;
    while (points[last].at_s < end_s) {
        ++last;
        ++ticks;
        with_completions += completed_at(points, last) ? 1 : 0;
    }
    if (rule.workload_gone && drained(points[last])) {
        return true;
    }
    return static_cast<double>(with_completions) >= steady_ticks * static_cast<double>(ticks) &&
           fast_enough(completion_rate(points, points[first].at_s, points[last].at_s), rule.healthy);
}

}  // namespace

CompletionRate completion_rate(Points points, double from_s, double to_s) {
    if (points.empty() || to_s <= from_s) {
        return {};
    }
    const std::size_t from = index_at(points, from_s);
    const std::size_t to = index_at(points, to_s);
    CompletionRate rate{.over_s = to_s - from_s};
    rate.ios =
        static_cast<double>(grown(points[from].device_completed, points[to].device_completed)) / rate.over_s;
    const auto first = daemon_completed(points, from);
    const auto last = daemon_completed(points, to);
    if (first && last) {
        rate.requests = static_cast<double>(grown(*first, *last)) / rate.over_s;
    }
    return rate;
}

Resumption judge_resumption(Points points, const ResumptionRule& rule) {
    const double watch_s = std::max(least_watch_s, rule.rung_time.count());
    const double latest_s = rule.begin_s + rule.rung_time.count();
    for (std::size_t i = 1; i < points.size() && points[i].at_s <= latest_s; ++i) {
        if (points[i].at_s <= rule.begin_s || !completed_at(points, i)) {
            continue;
        }
        if (points.back().at_s < points[i].at_s + watch_s) {
            return {};
        }
        if (goes_on(points, i, watch_s, rule)) {
            return {.resumed = true, .first_s = points[i].at_s, .decided = true};
        }
    }
    return {.decided = !points.empty() && points.back().at_s >= latest_s};
}

}  // namespace reflux::run
