#include "harness/verdict/wait_graph.h"

#include "harness/verdict/words.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace reflux::verdict {

using evidence::Evidence;
using evidence::ProgressPoint;
using evidence::ReliefRung;
using evidence::Request;
using evidence::TraceEvent;

namespace {

bool is_writeback_event(const TraceEvent& event) {
    return event.event == "folio_wait_writeback" || event.event == "wait_on_page_writeback";
}

// A task of the upper filesystem, or one that uses it, which itself waits without bound for I/O.
const Watched* upper_task_in_io(const std::vector<Watched>& tasks) {
    const auto found = std::ranges::find_if(tasks, [](const Watched& task) {
        return (task.last.role == "upper" || task.last.role == "workload") && task.stuck() &&
               (is_filesystem_wait(*task.classified.wait) || *task.classified.wait == Wait::fuse_request);
    });
    return found == tasks.end() ? nullptr : &*found;
}

// The abort rung, if it freed this thread after every rung before it had failed.
const ReliefRung* freed_by_abort(const Evidence& evidence, int tid) {
    for (const ReliefRung& rung : evidence.relief) {
        if (rung.rung == "abort") {
            return rung.applied && rung.released && contains(rung.freed_tids, tid) ? &rung : nullptr;
        }
        if (rung.released) {
            return nullptr;
        }
    }
    return nullptr;
}

// Edge 1 for one thread: the line when it holds, else why not.
struct Edge {
    bool holds = false;
    std::string text;
};

Edge unproven(const Watched& task, std::string_view why) {
    return {.holds = false, .text = fmt::format("{}: {}", name_of(task.last), why)};
}

Edge edge_by_abort(const Evidence& evidence, const Watched& task, std::string_view why_no_trace) {
    const ReliefRung* abort = freed_by_abort(evidence, task.last.tid);
    if (abort == nullptr) {
        return unproven(task, fmt::format("which device it waits for is not known: {}, and no abort of the "
                                          "connection was seen to free it",
                                          why_no_trace));
    }
    return {.holds = true,
            .text = fmt::format(
                "{} -> what connection {} serves: in {} inside {} for {:.1f} s; {}; freed only by "
                "aborting the connection, {:.1f} s after it",
                name_of(task.last), number_or_unknown(evidence.devices.fuse_connection),
                to_string(*task.classified.wait), to_string(*task.classified.reclaim),
                task.last_s - task.first_s, why_no_trace, abort->after_s)};
}

Edge edge_to_device(const Evidence& evidence, const Watched& task, const std::vector<Watched>& tasks) {
    if (!task.stuck()) {
        return unproven(task, "not in one unbounded wait (D state, same stack, no context switch)");
    }
    const Wait wait = *task.classified.wait;
    if (!is_filesystem_wait(wait) || !task.classified.waits_in_reclaim()) {
        return unproven(task,
                        fmt::format("waits for {}, not for a filesystem inside a reclaim", to_string(wait)));
    }
    if (!evidence.trace.available) {
        const std::string why =
            evidence.trace.unavailable_reason.empty() ? "no reason given" : evidence.trace.unavailable_reason;
        return edge_by_abort(evidence, task, "the trace was not available (" + why + ")");
    }
    const OpenReclaim open = open_reclaim(evidence.trace, task.last.tid);
    if (open.reclaim == nullptr || open.last_event == nullptr || open.last_event->device.empty()) {
        return edge_by_abort(evidence, task,
                             open.reclaim == nullptr
                                 ? "the trace shows no reclaim of it that has not ended"
                                 : "the last trace event of its open reclaim names no device");
    }
    const TraceEvent& event = *open.last_event;
    if (evidence.devices.upper_device.empty() || event.device != evidence.devices.upper_device) {
        return unproven(
            task,
            fmt::format("its last trace event, {}, names device {}, not the upper device {}", event.event,
                        event.device, text_or(evidence.devices.upper_device, "(unknown)")));
    }
    std::string fact = fmt::format(
        "in {} inside {} ({}) for {:.1f} s without a context switch; its last trace event, at "
        "{:.1f} s, is {} of {}{}",
        to_string(wait), to_string(*task.classified.reclaim), text_or(open.reclaim->gfp_flags, "gfp unknown"),
        task.last_s - task.first_s, event.at_s, event.event, event.device,
        event.detail.empty() ? "" : " (" + event.detail + ")");
    if (wait == Wait::folio_writeback && !is_writeback_event(event)) {
        return unproven(task,
                        fmt::format("it waits for folio writeback, but its last trace event is {}, so the "
                                    "folio's device is not known",
                                    event.event));
    }
    if (wait != Wait::folio_writeback) {
        const Watched* holder = upper_task_in_io(tasks);
        if (holder == nullptr) {
            return unproven(task, fmt::format("it waits for {} of the upper device, but no task of the upper "
                                              "filesystem is seen waiting for I/O",
                                              to_string(wait)));
        }
        fact += fmt::format("; {} of the upper filesystem waits for {}", name_of(holder->last),
                            to_string(*holder->classified.wait));
    }
    return {.holds = true,
            .text = fmt::format("{} -> upper device {}: {}", name_of(task.last), event.device, fact)};
}

// The write function at whose lock a motionless task waits; empty: it does not.
std::string_view entry_lock(const Watched& task) {
    if (!task.motionless() || (task.classified.wait && *task.classified.wait != Wait::lock)) {
        return "";
    }
    for (const std::string& function : task.last.stack) {
        const Frame* frame = find_frame(function);
        if (frame == nullptr || !frame->generic) {
            return frame != nullptr && frame->region == Region::write_path ? std::string_view(function) : "";
        }
    }
    return "";
}

// Adds the daemon threads that wait for a blocked one.
void add_followers(const Evidence& evidence, const std::vector<Watched>& tasks, WaitGraph& graph) {
    const std::vector<int> leaders = graph.blocked;
    for (const Watched& task : tasks) {
        const std::string_view function = entry_lock(task);
        if (function.empty() || !is_daemon(evidence, task.last) || contains(leaders, task.last.tid)) {
            continue;
        }
        const auto leader = std::ranges::find_if(tasks, [&](const Watched& it) {
            return contains(leaders, it.last.tid) &&
                   std::ranges::find(it.last.stack, function) != it.last.stack.end();
        });
        if (leader != tasks.end()) {
            graph.blocked.push_back(task.last.tid);
            graph.edges.push_back(fmt::format("{} -> {}: it waits at the lock of {}, which {} is inside of",
                                              name_of(task.last), name_of(leader->last), function,
                                              name_of(leader->last)));
        }
    }
}

// The last counters from before the stall was found; later ones belong to the relief ladder.
const ProgressPoint* counters_in_stall(const Evidence& evidence) {
    const ProgressPoint* last = nullptr;
    for (const ProgressPoint& point : evidence.progress) {
        if (point.at_s <= evidence.stall->detected_s) {
            last = &point;
        }
    }
    return last;
}

// What the daemon owes to its device, as far as it is known.
struct Owed {
    bool answered = false;  // the daemon's own list is known
    std::vector<Request> in_flight;
    std::optional<std::uint64_t> waiting;
    std::uint64_t device_in_flight = 0;
};

Owed owed_requests(const Evidence& evidence) {
    Owed owed;
    owed.answered = evidence.stall->daemon.answered;
    if (owed.answered) {
        owed.in_flight = evidence.stall->daemon.in_flight;
    }
    if (const ProgressPoint* point = counters_in_stall(evidence); point != nullptr) {
        owed.waiting = point->fuse_waiting;
        owed.device_in_flight = point->device_in_flight;
    }
    return owed;
}

Edge edge_to_connection(const Evidence& evidence, const Owed& owed) {
    std::vector<std::string> facts;
    if (!owed.in_flight.empty()) {
        facts.push_back(fmt::format("the daemon holds {}", counted(owed.in_flight.size(), "request")));
    }
    if (owed.waiting.value_or(0) > 0) {
        facts.push_back(fmt::format("the connection counts {} waiting", *owed.waiting));
    }
    if (owed.device_in_flight > 0) {
        facts.push_back(fmt::format("the device has {} I/O in flight", owed.device_in_flight));
    }
    if (facts.empty()) {
        return {.holds = false, .text = "no request is known to be owed to the upper device"};
    }
    return {.holds = true,
            .text = fmt::format("upper device {} -> connection {}: it is served by the daemon ({}); {}",
                                text_or(evidence.devices.upper_device, "(unknown)"),
                                number_or_unknown(evidence.devices.fuse_connection),
                                evidence.devices.front_end, join(facts, ", "))};
}

const Request* request_of(const Owed& owed, int tid) {
    const auto found = std::ranges::find(owed.in_flight, tid, &Request::tid);
    return found == owed.in_flight.end() ? nullptr : &*found;
}

std::string describe(const Request& request) {
    return fmt::format("request {} ({} of {} bytes at {}, {:.1f} s old)", request.id,
                       text_or(request.operation, "I/O"), request.length, request.offset, request.age_s);
}

// Why the threads that are not blocked could still answer; empty: they cannot.
std::string way_out(const Owed& owed, const std::vector<int>& others, const std::vector<int>& blocked,
                    const std::vector<Watched>& tasks) {
    if (!owed.answered) {
        return fmt::format("the daemon did not tell which thread holds which request, so {} might answer",
                           thread_list(others));
    }
    for (const int tid : others) {
        const auto task =
            std::ranges::find_if(tasks, [tid](const Watched& it) { return it.last.tid == tid; });
        if (task == tasks.end()) {
            return fmt::format("daemon thread {} was not sampled, so it might answer", tid);
        }
        if (const Request* held = request_of(owed, tid); held != nullptr) {
            return fmt::format("{} holds {} and is not blocked likewise", name_of(task->last),
                               describe(*held));
        }
        if (task->classified.wait != Wait::idle) {
            return fmt::format("{} is neither idle nor blocked likewise, so it might answer",
                               name_of(task->last));
        }
    }
    for (const Request& request : owed.in_flight) {
        if (!contains(blocked, request.tid)) {
            return fmt::format("{} is not in the hands of a blocked thread, and {} idle", describe(request),
                               thread_list(others) + (others.size() == 1 ? " is" : " are"));
        }
    }
    if (owed.in_flight.empty()) {
        return fmt::format("no blocked thread holds a request, and {} could take one", thread_list(others));
    }
    if (!owed.waiting || *owed.waiting > owed.in_flight.size()) {
        return fmt::format("{} could take a request: the daemon holds {}, the connection counts {} waiting",
                           thread_list(others), owed.in_flight.size(), number_or_unknown(owed.waiting));
    }
    return "";
}

Edge edge_to_threads(const Evidence& evidence, const Owed& owed, const std::vector<int>& blocked,
                     const std::vector<Watched>& tasks) {
    std::vector<int> others;
    for (const int tid : evidence.daemon_io_tids) {
        if (!contains(blocked, tid)) {
            others.push_back(tid);
        }
    }
    if (evidence.daemon_io_tids.empty()) {
        for (const Watched& task : tasks) {
            if (is_daemon(evidence, task.last) && !contains(blocked, task.last.tid)) {
                others.push_back(task.last.tid);
            }
        }
    }
    std::string fact = others.empty()
                           ? "all daemon threads that take requests are blocked"
                           : fmt::format("{} idle with nothing left to take",
                                         thread_list(others) + (others.size() == 1 ? " is" : " are"));
    if (!others.empty()) {
        if (std::string way = way_out(owed, others, blocked, tasks); !way.empty()) {
            return {.holds = false, .text = std::move(way)};
        }
    }
    for (const int tid : blocked) {
        if (const Request* held = request_of(owed, tid); held != nullptr) {
            fact += fmt::format("; {} is in the hands of thread {}", describe(*held), tid);
        }
    }
    return {
        .holds = true,
        .text = fmt::format("connection {} -> daemon {}: {}",
                            number_or_unknown(evidence.devices.fuse_connection), thread_list(blocked), fact)};
}

}  // namespace

WaitGraph wait_graph(const Evidence& evidence, const std::vector<Watched>& tasks) {
    WaitGraph graph;
    if (!evidence.stall || evidence.devices.front_end.empty() || evidence.devices.front_end == "loop") {
        graph.missing.emplace_back("no daemon serves the upper device, so no cycle can go through one");
        return graph;
    }
    std::vector<std::string> unblocked;
    for (const Watched& task : tasks) {
        if (!is_daemon(evidence, task.last)) {
            continue;
        }
        Edge edge = edge_to_device(evidence, task, tasks);
        if (edge.holds) {
            graph.blocked.push_back(task.last.tid);
            graph.edges.push_back(std::move(edge.text));
        } else if (task.classified.wait != Wait::idle) {
            unblocked.push_back(std::move(edge.text));
        }
    }
    if (graph.blocked.empty()) {
        graph.missing = std::move(unblocked);
        if (graph.missing.empty()) {
            graph.missing.emplace_back("no daemon thread is seen in a wait that could be part of a cycle");
        }
        return graph;
    }
    add_followers(evidence, tasks, graph);
    const Owed owed = owed_requests(evidence);
    graph.closed = true;
    for (Edge edge :
         {edge_to_connection(evidence, owed), edge_to_threads(evidence, owed, graph.blocked, tasks)}) {
        graph.closed = graph.closed && edge.holds;
        (edge.holds ? graph.edges : graph.missing).push_back(std::move(edge.text));
    }
    return graph;
}

}  // namespace reflux::verdict
