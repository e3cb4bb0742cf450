#include "harness/verdict/wait_graph.h"

#include "harness/verdict/daemon_edges.h"
#include "harness/verdict/wait_cycle.h"
#include "harness/verdict/waiting_tasks.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace reflux::verdict {

using evidence::Evidence;

namespace {

// The cycle, then the other daemon threads that wait within what is closed.
std::vector<std::size_t> edges_of_cycle(const WaitGraph& graph) {
    std::vector<std::size_t> edges = graph.cycle;
    for (const std::size_t index : graph.closed) {
        if (graph.nodes[graph.edges[index].from].daemon &&
            std::ranges::find(graph.cycle, index) == graph.cycle.end()) {
            edges.push_back(index);
        }
    }
    return edges;
}

}  // namespace

std::size_t WaitGraph::node(NodeKind kind, const std::string& label) {
    const auto found =
        std::ranges::find_if(nodes, [&](const WaitNode& it) { return it.kind == kind && it.label == label; });
    if (found != nodes.end()) {
        return static_cast<std::size_t>(found - nodes.begin());
    }
    nodes.push_back({.kind = kind, .label = label, .note = ""});
    return nodes.size() - 1;
}

void WaitGraph::add(WaitEdge edge) {
    const bool there = std::ranges::any_of(
        edges, [&](const WaitEdge& it) { return it.from == edge.from && it.to == edge.to; });
    if (!there) {
        edges.push_back(std::move(edge));
    }
}

WaitGraph wait_graph(const Evidence& evidence, const std::vector<Watched>& tasks) {
    WaitGraph graph;
    const bool has_daemon = evidence::has_daemon(evidence.devices);
    if (!evidence.stall || !has_daemon) {
        graph.missing.emplace_back("no daemon serves the upper device, so no cycle can go through one");
    }
    if (!evidence.stall) {
        return graph;
    }
    if (has_daemon) {
        add_daemon_edges(evidence, tasks, graph);
    }
    add_waiting_tasks(evidence, tasks, graph);
    ClosedWaits closed = closed_waits(graph.nodes, graph.edges);
    graph.closed = std::move(closed.edges);
    graph.cycle = std::move(closed.cycle);
    return graph;
}

WaitGraph wait_graph(const Evidence& evidence) {
    return wait_graph(evidence, evidence.stall ? watch(*evidence.stall) : std::vector<Watched>());
}

std::string line_of(const WaitGraph& graph, const WaitEdge& edge) {
    return fmt::format("{} -> {}: {}", graph.nodes[edge.from].label, graph.nodes[edge.to].label, edge.fact);
}

std::vector<std::string> cycle_lines(const WaitGraph& graph) {
    std::vector<std::string> lines;
    for (const std::size_t index : edges_of_cycle(graph)) {
        lines.push_back(line_of(graph, graph.edges[index]));
    }
    return lines;
}

std::vector<std::string> waiting_lines(const WaitGraph& graph) {
    const std::vector<std::size_t> cycle = edges_of_cycle(graph);
    std::vector<std::string> lines;
    for (const NodeKind kind : {NodeKind::task, NodeKind::resource}) {
        for (std::size_t i = 0; i < graph.edges.size(); ++i) {
            const WaitNode& from = graph.nodes[graph.edges[i].from];
            if (from.kind == kind && !from.daemon && std::ranges::find(cycle, i) == cycle.end()) {
                lines.push_back(line_of(graph, graph.edges[i]));
            }
        }
    }
    return lines;
}

}  // namespace reflux::verdict
