#include "harness/report/html/pictures.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace reflux::report::html {
namespace {

using evidence::Evidence;

std::string words_of(const evidence::ReliefRung& rung) {
    return !rung.applied   ? fmt::format("relief: {}, which could not be done", rung.rung)
           : rung.released ? fmt::format("relief: {}; I/O went on after {:.1f} s", rung.rung, rung.after_s)
                           : fmt::format("relief: {}, in vain", rung.rung);
}

std::string words_of(const evidence::DaemonExit& exit) {
    const auto* when = exit.unexpected ? "the daemon ended, unasked" : "the daemon ended";
    return exit.oom_killed    ? fmt::format("{}: OOM killer", when)
           : exit.signal != 0 ? fmt::format("{}: signal {}", when, exit.signal)
           : exit.code != 0   ? fmt::format("{}: exit status {}", when, exit.code)
                              : when;
}

}  // namespace

std::vector<Moment> moments_of(const Evidence& evidence) {
    std::vector<Moment> moments;
    const auto add = [&moments](double at_s, std::string what) {
        if (std::isfinite(at_s)) {
            moments.push_back({.at_s = at_s, .what = std::move(what)});
        }
    };
    if (evidence.workload.started) {
        add(0, "workload begins");
        if (evidence.workload.duration_s > 0) {
            add(evidence.workload.duration_s, "workload ends: " + evidence.workload.ended);
        }
    }
    for (const auto& fault : evidence.faults) {
        if (fault.at_s) {
            add(*fault.at_s, "fault injected: " + fault.name);
        }
        if (fault.lifted_s) {
            add(*fault.lifted_s, "fault lifted: " + fault.name);
        }
    }
    if (evidence.stall) {
        add(evidence.stall->last_completion_s, "the last completion: the stall begins");
        add(evidence.stall->detected_s, "stall detected");
    }
    for (const auto& rung : evidence.relief) {
        add(rung.begin_s, words_of(rung));
    }
    if (evidence.daemon_exit) {
        add(evidence.daemon_exit->at_s, words_of(*evidence.daemon_exit));
    }
    std::ranges::stable_sort(moments, {}, &Moment::at_s);
    return moments;
}

}  // namespace reflux::report::html
