#include "harness/verdict/daemon_edges.h"

#include "harness/verdict/daemon_wait.h"
#include "harness/verdict/owed.h"
#include "harness/verdict/wait_nodes.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace reflux::verdict {

using evidence::Evidence;
using evidence::Request;
using Target = DaemonWait::Target;

namespace {

// What the connection serves: the upper device, or the file under it.
std::size_t served_node(const Evidence& evidence, WaitGraph& graph) {
    return graph.node(NodeKind::resource, fmt::format("what {} serves", connection_words(evidence.devices)));
}

// "folio writeback inside memcg reclaim"
std::string what_of(const Watched& task) {
    if (!task.classified.wait) {
        return "unknown";
    }
    const std::string wait(to_string(*task.classified.wait));
    return task.classified.waits_in_reclaim()
               ? fmt::format("{} inside {}", wait, to_string(*task.classified.reclaim))
               : wait;
}

// Rule 1 for one thread.
void add_own_wait(const Evidence& evidence, const Watched& task, DaemonWait wait, WaitGraph& graph) {
    const bool pauses = task.classified.wait && is_bounded(*task.classified.wait);
    WaitEdge edge{.from = task_node(evidence, task.last, graph),
                  .known = wait.target != Target::unknown || pauses,
                  .what = what_of(task),
                  .fact = std::move(wait.fact)};
    switch (wait.target) {
        case Target::upper_device:
            edge.to = upper_device_node(evidence, graph);
            break;
        case Target::served:
            edge.to = served_node(evidence, graph);
            break;
        case Target::lower_device:
            edge.to = lower_device_node(evidence, graph);
            break;
        case Target::unknown:
            edge.to = pauses ? pause_node(*task.classified.wait, graph) : unknown_node(graph);
            break;
    }
    graph.add(std::move(edge));
}

// The edges of the daemon threads that wait for a blocked one; these are blocked too.
std::vector<WaitEdge> followers(const Evidence& evidence, const std::vector<Watched>& tasks,
                                WaitGraph& graph) {
    std::vector<WaitEdge> edges;
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
            edges.push_back(
                {.from = task_node(evidence, task.last, graph),
                 .to = task_node(evidence, leader->last, graph),
                 .what = "a lock",
                 .fact = fmt::format("it waits at the lock of {}; that one is inside of it", function)});
        }
    }
    return edges;
}

// Rule 2, for the devices and files that the connection serves.
void add_service(const Evidence& evidence, const Owed& owed, const std::vector<std::size_t>& served,
                 WaitGraph& graph) {
    const std::vector<std::string> facts = owed_facts(owed);
    const std::string fact =
        facts.empty() ? "no request is known to be owed to the upper device"
                      : fmt::format("it is served by the daemon ({}{}); {}", evidence.devices.front_end,
                                    evidence.devices.map.empty() ? "" : ", under " + evidence.devices.map,
                                    join(facts, ", "));
    if (facts.empty() && !graph.blocked.empty()) {
        graph.missing.push_back(fact);
    }
    for (const std::size_t from : served) {
        graph.add({.from = from,
                   .to = connection_node(evidence, graph),
                   .known = !facts.empty(),
                   .what = "is served by",
                   .fact = fact});
    }
}

// The requests in one thread's hands, as one node: the oldest stands for all. `more`: what closes the cycle.
void add_held(const Evidence& evidence, const Owed& owed, const Watched& task, const std::string& more,
              WaitGraph& graph) {
    const Request* oldest = nullptr;
    std::size_t count = 0;
    for (const Request& request : owed.in_flight) {
        if (request.tid == task.last.tid) {
            oldest = oldest == nullptr || request.age_s > oldest->age_s ? &request : oldest;
            ++count;
        }
    }
    if (oldest == nullptr) {
        return;
    }
    const std::size_t node = graph.node(NodeKind::request, fmt::format("request {}", oldest->id));
    graph.nodes[node].note = shape_of(*oldest);
    graph.add({.from = connection_node(evidence, graph),
               .to = node,
               .what = "owes an answer",
               .fact = fmt::format("{}; the daemon has taken it and not answered", shape_of(*oldest))});
    graph.add({.from = node,
               .to = task_node(evidence, task.last, graph),
               .what = "in its hands",
               .fact = fmt::format("it is in the hands of that thread{}{}",
                                   count > 1 ? fmt::format(", with {} more", count - 1) : "",
                                   more.empty() ? "" : "; " + more)});
}

// A thread that gave what it holds to its ring waits for the worker that does it.
void add_ring(const Evidence& evidence, const Watched& task, const std::vector<Watched>& tasks,
              WaitGraph& graph) {
    if (const Watched* worker = ring_worker(task, graph.blocked, tasks)) {
        graph.add(
            {.from = task_node(evidence, task.last, graph),
             .to = task_node(evidence, worker->last, graph),
             .what = "a completion of its ring",
             .fact = fmt::format("it waits in io_cqring_wait, and none has come for {:.1f} s; that one is "
                                 "io_uring's worker for it",
                                 task.last_s - task.first_s)});
    }
}

// The requests that no thread has taken; only `takers` can, or it is not known who can if there are none.
void add_queued(const Evidence& evidence, const Owed& owed, const std::vector<std::size_t>& takers,
                WaitGraph& graph) {
    const auto count = std::ranges::count(owed.in_flight, 0, &Request::tid);
    if (count == 0) {
        return;
    }
    const std::size_t node =
        graph.node(NodeKind::request, counted(static_cast<std::uint64_t>(count), "queued request"));
    graph.add({.from = connection_node(evidence, graph),
               .to = node,
               .what = "owes an answer",
               .fact = "read by the daemon, and in no thread's hands"});
    for (const std::size_t taker : takers) {
        graph.add(
            {.from = node, .to = taker, .what = "to be taken by", .fact = "only blocked threads take any"});
    }
    if (takers.empty()) {
        graph.add({.from = node,
                   .to = unknown_node(graph),
                   .known = false,
                   .what = "to be taken",
                   .fact = "a thread that is not blocked might take it"});
    }
}

// Rule 3.
void add_answers(const Evidence& evidence, const Owed& owed, const std::vector<Watched>& tasks,
                 WaitGraph& graph) {
    const std::vector<int>& blocked = graph.blocked;
    const std::vector<int> others = other_takers(evidence, blocked, tasks);
    const bool foreign = has_foreign_daemon(evidence.devices);
    std::string way = blocked.empty() ? std::string() : way_out(owed, others, blocked, tasks, foreign);
    const bool closes = !blocked.empty() && way.empty();
    const bool by_rings = std::ranges::any_of(tasks, [&](const Watched& task) {
        return contains(others, task.last.tid) && ring_worker(task, blocked, tasks) != nullptr;
    });
    const std::string fact =
        others.empty()
            ? "all daemon threads that take requests are blocked"
            : fmt::format("{} idle {}", thread_list(others) + (others.size() == 1 ? " is" : " are"),
                          by_rings                       ? "or waiting for their io_uring's worker"
                          : foreign || leaves_some(owed) ? "and not woken once in the stall"
                                                         : "with nothing left to take");
    std::vector<std::size_t> takers;
    for (const Watched& task : tasks) {
        if (!is_daemon(evidence, task.last)) {
            continue;
        }
        const bool closing = closes && contains(blocked, task.last.tid);
        if (closing) {
            takers.push_back(task_node(evidence, task.last, graph));
        }
        if (request_of(owed, task.last.tid) != nullptr) {
            add_held(evidence, owed, task, closing ? fact : "", graph);
            add_ring(evidence, task, tasks, graph);
        } else if (closing) {
            graph.add({.from = connection_node(evidence, graph),
                       .to = task_node(evidence, task.last, graph),
                       .what = "is answered by",
                       .fact = fact});
        }
    }
    add_queued(evidence, owed, takers, graph);
    if (!way.empty()) {
        graph.add({.from = connection_node(evidence, graph),
                   .to = unknown_node(graph),
                   .known = false,
                   .what = "might be answered",
                   .fact = way});
        graph.missing.push_back(std::move(way));
    }
}

}  // namespace

void add_daemon_edges(const Evidence& evidence, const std::vector<Watched>& tasks, WaitGraph& graph) {
    std::vector<std::size_t> served = {upper_device_node(evidence, graph)};
    for (const Watched& task : tasks) {
        DaemonWait wait = daemon_wait(evidence, task, tasks);
        if (is_daemon(evidence, task.last) && wait.blocks()) {
            if (wait.target == Target::served) {
                served.push_back(served_node(evidence, graph));
            }
            graph.blocked.push_back(task.last.tid);
            add_own_wait(evidence, task, std::move(wait), graph);
        }
    }
    const bool any_blocked = !graph.blocked.empty();
    std::vector<WaitEdge> lock_edges = followers(evidence, tasks, graph);
    for (const Watched& task : tasks) {
        if (!is_daemon(evidence, task.last) || contains(graph.blocked, task.last.tid) ||
            task.classified.wait == Wait::idle) {
            continue;
        }
        DaemonWait wait = daemon_wait(evidence, task, tasks);
        if (!any_blocked) {
            graph.missing.push_back(fmt::format("{}: {}", name_of(task.last), wait.fact));
        }
        add_own_wait(evidence, task, std::move(wait), graph);
    }
    if (!any_blocked && graph.missing.empty()) {
        graph.missing.emplace_back("no daemon thread is seen in a wait that could be part of a cycle");
    }
    const Owed owed = owed_requests(evidence);
    add_service(evidence, owed, served, graph);
    add_answers(evidence, owed, tasks, graph);
    // After the requests: of cycles of one length the one through a request is shown.
    for (WaitEdge& edge : lock_edges) {
        graph.add(std::move(edge));
    }
}

}  // namespace reflux::verdict
