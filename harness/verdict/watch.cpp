#include "harness/verdict/watch.h"

#include <algorithm>
#include <utility>

namespace reflux::verdict {

using evidence::Evidence;
using evidence::Reclaim;
using evidence::TaskSample;
using evidence::TraceEvent;

namespace {

std::uint64_t distance(std::uint64_t a, std::uint64_t b) {
    return a > b ? a - b : b - a;
}

std::uint64_t switches_of(const TaskSample& task) {
    return task.voluntary_switches + task.involuntary_switches;
}

bool sits_as(const TaskSample& sample, const TaskSample& last) {
    return sample.state == 'D' && last.state == 'D' && sample.stack == last.stack &&
           switches_of(sample) == switches_of(last);
}

// The first snapshot from which on a task is watched: all of them, or, where it came into one unbounded wait
// only within the stall (out of reclaim_throttle into a folio's writeback), those of that wait, if they span
// half of the time at least.
std::size_t first_watched(const evidence::Stall& stall, const TaskSample& last) {
    const auto wait = classify_stack(last.stack).wait;
    if (!wait || is_bounded(*wait) || *wait == Wait::idle) {
        return 0;
    }
    const auto& shots = stall.snapshots;
    std::size_t first = shots.size() - 1;
    while (first > 0) {
        const auto& tasks = shots[first - 1].tasks;
        const auto sample = std::ranges::find(tasks, last.tid, &TaskSample::tid);
        if (sample == tasks.end() || !sits_as(*sample, last)) {
            break;
        }
        --first;
    }
    const double half = (shots.back().at_s - shots.front().at_s) / 2;
    return shots.back().at_s - shots[first].at_s >= half ? first : 0;
}

}  // namespace

bool is_writeback_event(std::string_view event) {
    return event == "folio_wait_writeback" || event == "wait_on_page_writeback";
}

bool contains(const std::vector<int>& numbers, int number) {
    return std::ranges::find(numbers, number) != numbers.end();
}

bool Watched::motionless() const {
    return samples >= 2 && last_s > first_s && always_in_d && same_stack && switches == 0;
}

bool Watched::stuck() const {
    return motionless() && classified.wait && !is_bounded(*classified.wait) && *classified.wait != Wait::idle;
}

std::vector<Watched> watch(const evidence::Stall& stall) {
    std::vector<Watched> tasks;
    if (stall.snapshots.empty()) {
        return tasks;
    }
    for (const TaskSample& last : stall.snapshots.back().tasks) {
        Watched task{.last = last,
                     .first_s = stall.snapshots.back().at_s,
                     .last_s = stall.snapshots.back().at_s,
                     .same_stack = !last.stack.empty(),
                     .always_in_d = last.state == 'D',
                     .classified = classify_stack(last.stack)};
        for (std::size_t i = first_watched(stall, last); i < stall.snapshots.size(); ++i) {
            const evidence::TaskSnapshot& snapshot = stall.snapshots[i];
            const auto sample = std::ranges::find(snapshot.tasks, last.tid, &TaskSample::tid);
            if (sample == snapshot.tasks.end()) {
                continue;
            }
            if (task.samples++ == 0) {
                task.first_s = snapshot.at_s;
                task.switches = distance(switches_of(last), switches_of(*sample));
                task.cpu_ticks = distance(last.cpu_ticks, sample->cpu_ticks);
            }
            task.same_stack = task.same_stack && sample->stack == last.stack;
            task.always_in_d = task.always_in_d && sample->state == 'D';
        }
        tasks.push_back(std::move(task));
    }
    return tasks;
}

bool is_daemon(const Evidence& evidence, const TaskSample& task) {
    return task.role == "daemon" || contains(evidence.daemon_tids, task.tid) ||
           contains(evidence.daemon_io_tids, task.tid);
}

OpenReclaim open_reclaim(const evidence::TraceSummary& trace, int tid) {
    OpenReclaim open;
    for (const Reclaim& reclaim : trace.reclaims) {
        if (reclaim.tid == tid && !reclaim.end_s &&
            (open.reclaim == nullptr || reclaim.begin_s > open.reclaim->begin_s)) {
            open.reclaim = &reclaim;
        }
    }
    if (open.reclaim == nullptr) {
        return open;
    }
    const auto consider = [&open](const TraceEvent& event) {
        if (event.at_s >= open.reclaim->begin_s &&
            (open.last_event == nullptr || event.at_s >= open.last_event->at_s)) {
            open.last_event = &event;
        }
    };
    std::ranges::for_each(open.reclaim->inside, consider);
    for (const TraceEvent& event : trace.last_events) {
        if (event.tid == tid) {
            consider(event);
        }
    }
    return open;
}

}  // namespace reflux::verdict
