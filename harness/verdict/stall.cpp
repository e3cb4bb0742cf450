#include "harness/verdict/stall.h"

#include "harness/verdict/owed.h"
#include "harness/verdict/wait_graph.h"
#include "harness/verdict/words.h"

#include <algorithm>

#include <fmt/format.h>

namespace reflux::verdict {

using evidence::Evidence;
using evidence::Stall;
using evidence::TraceEvent;

namespace {

bool holds_request(const Stall& stall, int tid) {
    return stall.daemon.answered && std::ranges::any_of(stall.daemon.in_flight, [tid](const auto& request) {
               return request.tid == tid;
           });
}

// It takes requests or holds one, or it is io_uring's worker for a thread that does.
bool answers_itself(const Evidence& evidence, const evidence::TaskSample& task) {
    const auto answers = [&](int tid) {
        return contains(evidence.daemon_io_tids, tid) || holds_request(*evidence.stall, tid);
    };
    const auto owner = ring_owner(task);
    return answers(task.tid) || (owner && answers(*owner));
}

// "refluxd[4243] in reclaim throttling inside memcg reclaim"
std::string where(const Watched& task) {
    std::string text = name_of(task.last) + " ";
    if (task.classified.wait == Wait::idle) {
        return text + "idle";
    }
    if (task.classified.wait) {
        text += in_wait(*task.classified.wait);
    } else if (task.last.state == 'R') {
        text += "running";
    } else {
        text += fmt::format("in state {} at {}", task.last.state,
                            task.last.stack.empty() ? "(no stack)" : task.last.stack.front());
    }
    return task.classified.reclaim ? fmt::format("{} inside {}", text, to_string(*task.classified.reclaim))
                                   : text;
}

std::string motion(const Watched& task) {
    return fmt::format("{} context switches and {} in {:.1f} s", task.switches,
                       counted(task.cpu_ticks, "CPU tick"), task.last_s - task.first_s);
}

// Of a daemon whose threads of I/O are not known: a sleep by a timer may be a housekeeper's.
bool is_at_work(const Evidence& evidence, const Watched& task) {
    const auto wait = task.classified.wait;
    const bool bounded = wait && is_bounded(*wait);
    return task.classified.reclaim ||
           (bounded && !(has_foreign_daemon(evidence.devices) && *wait == Wait::sleep));
}

// Rule 4c for one task: it runs or sleeps in bounded waits, and moves.
bool is_live(const Evidence& evidence, const Watched& task) {
    if (task.samples < 2 || task.switches + task.cpu_ticks == 0 || task.classified.wait == Wait::idle) {
        return false;
    }
    const bool bounded = task.classified.wait && is_bounded(*task.classified.wait);
    if (!evidence::has_daemon(evidence.devices)) {
        return bounded && (task.last.role == "workload" || task.last.role == "upper");
    }
    const bool answers = answers_itself(evidence, task.last) ||
                         (evidence.daemon_io_tids.empty() && is_at_work(evidence, task));
    return is_daemon(evidence, task.last) && answers && (bounded || task.last.state == 'R');
}

Proof make_proof(const Evidence& evidence, const Watched& task) {
    Proof proof;
    proof.tid = task.last.tid;
    proof.thread = task.last.name;
    proof.state = task.last.state;
    proof.watched_s = task.last_s - task.first_s;
    proof.switches = task.switches;
    proof.cpu_ticks = task.cpu_ticks;
    proof.stack = task.last.stack;
    proof.reclaims = evidence.trace.reclaim_count;
    proof.slab_shrinks = evidence.trace.slab_shrink_count;
    proof.upper_events = evidence.trace.upper_event_count;
    proof.lower_events = evidence.trace.lower_event_count;
    proof.throttles = evidence.trace.throttle_count;
    for (const std::size_t index : task.classified.known) {
        proof.deciding.push_back(task.last.stack[index]);
    }
    const OpenReclaim open = open_reclaim(evidence.trace, task.last.tid);
    const TraceEvent* last = open.last_event;
    if (open.reclaim != nullptr) {
        proof.gfp_flags = open.reclaim->gfp_flags;
    } else {
        for (const evidence::Reclaim& reclaim : evidence.trace.reclaims) {
            if (reclaim.tid == task.last.tid) {
                proof.gfp_flags = reclaim.gfp_flags;
            }
        }
        for (const TraceEvent& event : evidence.trace.last_events) {
            if (event.tid == task.last.tid) {
                last = &event;
            }
        }
    }
    if (last != nullptr) {
        proof.last_event = last->detail.empty() ? last->event : last->event + ": " + last->detail;
    }
    return proof;
}

// The last completion before the stall was called, of the device or, by the progress points, of the daemon:
// one I/O of the device may be hundreds of requests to the daemon.
double silent_since(const Evidence& evidence) {
    double since = evidence.stall->last_completion_s;
    std::optional<std::uint64_t> completed;
    for (const evidence::ProgressPoint& point : evidence.progress) {
        if (point.daemon_completed && point.at_s <= evidence.stall->detected_s) {
            if (completed && *completed != *point.daemon_completed) {
                since = std::max(since, point.at_s);
            }
            completed = point.daemon_completed;
        }
    }
    return since;
}

std::string stall_sentence(const Evidence& evidence) {
    const Stall& stall = *evidence.stall;
    std::string text = fmt::format("no request completed from {:.1f} s to {:.1f} s", silent_since(evidence),
                                   stall.detected_s);
    if (evidence.limits.stall_window_s > 0) {
        text += fmt::format(" (stall window {:.1f} s)", evidence.limits.stall_window_s);
    }
    return text;
}

// Every daemon thread is stopped by a signal or a tracer.
bool is_stopped(const Evidence& evidence, const std::vector<Watched>& tasks) {
    std::size_t stopped = 0;
    for (const Watched& task : tasks) {
        if (is_daemon(evidence, task.last)) {
            if (task.last.state != 'T' && task.last.state != 't') {
                return false;
            }
            ++stopped;
        }
    }
    return stopped > 0;
}

// A thread of the daemon that may have an answer to give; not one that is known to do something else, as
// refluxd's does that answers the harness.
bool may_owe(const Evidence& evidence, const Watched& task) {
    return !is_daemon(evidence, task.last) || evidence.daemon_io_tids.empty() ||
           answers_itself(evidence, task.last);
}

// The task that explains an undecided stall best: one that is stuck, else one in D, else any that is not
// idle.
const Watched* suspect(const Evidence& evidence, const std::vector<Watched>& tasks) {
    const Watched* best = nullptr;
    int best_rank = 0;
    for (const Watched& task : tasks) {
        const bool concerned = evidence::has_daemon(evidence.devices) ? is_daemon(evidence, task.last)
                                                                      : task.last.role != "other";
        const int rank = task.stuck()                                                    ? 3
                         : task.last.state == 'D'                                        ? 2
                         : task.classified.wait != Wait::idle && may_owe(evidence, task) ? 1
                                                                                         : 0;
        if (concerned && rank > best_rank) {
            best = &task;
            best_rank = rank;
        }
    }
    return best;
}

// A daemon thread that has a request in hand and sleeps in code of its own: a timer, a lock or a pipe of user
// space. It owes the answer, though the kernel shows it idle.
const Watched* idle_holder(const Evidence& evidence, const std::vector<Watched>& tasks) {
    const auto found = std::ranges::find_if(tasks, [&](const Watched& task) {
        return is_daemon(evidence, task.last) && task.classified.wait == Wait::idle &&
               holds_request(*evidence.stall, task.last.tid);
    });
    return found == tasks.end() ? nullptr : &*found;
}

void judge_undecided(const Evidence& evidence, const std::vector<Watched>& tasks, const WaitGraph& graph,
                     Verdict& verdict) {
    verdict.outcome = Outcome::inconclusive;
    const Watched* task = suspect(evidence, tasks);
    if (evidence.stall->snapshots.size() < 2) {
        verdict.reasons.push_back(stall_sentence(evidence) +
                                  ", but there are fewer than two snapshots of its tasks");
    } else if (const Watched* holder = idle_holder(evidence, tasks); task == nullptr && holder != nullptr) {
        verdict.reasons.push_back(fmt::format(
            "{}, but {} has a request in hand and sleeps in code of its own, not in the kernel's: "
            "what it waits for is not shown",
            stall_sentence(evidence), name_of(holder->last)));
    } else if (task == nullptr && evidence::has_daemon(evidence.devices)) {
        verdict.reasons.push_back(
            stall_sentence(evidence) +
            ", but every daemon thread that was sampled is idle: the stall is above the daemon");
    } else {
        verdict.reasons.push_back(stall_sentence(evidence) +
                                  ", but neither a closed wait cycle nor a live daemon thread is shown");
    }
    if (task != nullptr) {
        verdict.reasons.push_back(fmt::format("{}: {}", where(*task), motion(*task)));
        verdict.proof = make_proof(evidence, *task);
    }
    verdict.reasons.insert(verdict.reasons.end(), graph.missing.begin(), graph.missing.end());
}

void judge_without_cycle(const Evidence& evidence, const std::vector<Watched>& tasks, const WaitGraph& graph,
                         Verdict& verdict) {
    // Unlike a wait cycle, a task that moves is a proof only if nothing completed for the whole window (less
    // one sample).
    constexpr double most_of_it = 0.9;
    const double silence = evidence.stall->detected_s - silent_since(evidence);
    if (silence < most_of_it * evidence.limits.stall_window_s) {
        judge_undecided(evidence, tasks, graph, verdict);
        return;
    }
    const Watched* live = nullptr;
    for (const Watched& task : tasks) {
        if (is_live(evidence, task) && (live == nullptr || task.switches > live->switches)) {
            live = &task;
        }
    }
    if (live != nullptr) {
        verdict.outcome = Outcome::livelock;
        verdict.reasons.push_back(
            fmt::format("{}, while {}: {}", stall_sentence(evidence), where(*live), motion(*live)));
        verdict.proof = make_proof(evidence, *live);
        return;
    }
    judge_undecided(evidence, tasks, graph, verdict);
}

// The first of these threads that left its wait before anything was done for its relief.
std::optional<int> freed_by_time(const Evidence& evidence, const std::vector<int>& tids) {
    for (const evidence::ReliefRung& rung : evidence.relief) {
        if (rung.rung != "wait" || !rung.applied) {
            return std::nullopt;
        }
        const auto freed =
            std::ranges::find_if(tids, [&](int tid) { return contains(rung.freed_tids, tid); });
        if (freed != tids.end()) {
            return *freed;
        }
    }
    return std::nullopt;
}

}  // namespace

void judge_stall(const Evidence& evidence, const std::vector<Watched>& tasks, Verdict& verdict) {
    const WaitGraph graph = wait_graph(evidence, tasks);
    verdict.waiting = waiting_lines(graph);
    const auto freed = freed_by_time(evidence, graph.blocked);
    if (is_stopped(evidence, tasks)) {
        verdict.outcome = Outcome::inconclusive;
        verdict.reasons.push_back("the daemon is stopped (SIGSTOP?): all of its threads are in state T; " +
                                  stall_sentence(evidence));
        return;
    }
    if (!graph.cycle.empty() && !freed) {
        verdict.outcome = Outcome::deadlock;
        const auto blocked = std::ranges::find_if(
            tasks, [&](const Watched& task) { return task.last.tid == graph.blocked.front(); });
        verdict.reasons.push_back(
            fmt::format("{}; {} without a context switch for {:.1f} s, for something that "
                        "only it can complete",
                        stall_sentence(evidence), where(*blocked), blocked->last_s - blocked->first_s));
        verdict.cycle = cycle_lines(graph);
        verdict.proof = make_proof(evidence, *blocked);
        return;
    }
    judge_without_cycle(evidence, tasks, graph, verdict);
    if (!graph.cycle.empty()) {
        verdict.reasons.push_back(
            fmt::format("thread {} left its wait while nothing was done: no deadlock", *freed));
    }
}

}  // namespace reflux::verdict
