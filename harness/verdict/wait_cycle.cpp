#include "harness/verdict/wait_cycle.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>
#include <utility>

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/breadth_first_search.hpp>
#include <boost/graph/strong_components.hpp>

namespace reflux::verdict {
namespace {

using Digraph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS>;
constexpr std::size_t unreached = std::numeric_limits<std::size_t>::max();

// For each node the number of its strongly connected component, over known edges.
std::vector<std::size_t> components_of(std::size_t node_count, const std::vector<WaitEdge>& edges) {
    Digraph graph(node_count);
    for (const WaitEdge& edge : edges) {
        if (edge.known) {
            boost::add_edge(edge.from, edge.to, graph);
        }
    }
    std::vector<std::size_t> component(node_count);
    boost::strong_components(
        graph, boost::make_iterator_property_map(component.begin(), boost::get(boost::vertex_index, graph)));
    return component;
}

// A shortest cycle through `start` over the edges in `among`; empty: there is none.
std::vector<std::size_t> shortest_cycle(std::size_t node_count, const std::vector<WaitEdge>& edges,
                                        const std::vector<std::size_t>& among, std::size_t start) {
    Digraph graph(node_count);
    for (const std::size_t index : among) {
        boost::add_edge(edges[index].from, edges[index].to, graph);
    }
    std::vector<std::size_t> distance(node_count, unreached);
    std::vector<std::size_t> parent(node_count, unreached);
    distance[start] = 0;
    const auto visitor = boost::make_bfs_visitor(
        std::make_pair(boost::record_distances(distance.data(), boost::on_tree_edge()),
                       boost::record_predecessors(parent.data(), boost::on_tree_edge())));
    boost::breadth_first_search(graph, start, boost::visitor(visitor));

    // The cycle is the shortest way to a node from which an edge leads back, and that edge.
    std::vector<std::size_t> cycle;
    for (const std::size_t index : among) {
        const WaitEdge& edge = edges[index];
        if (edge.to == start && distance[edge.from] != unreached &&
            (cycle.empty() || distance[edge.from] < distance[edges[cycle.front()].from])) {
            cycle = {index};
        }
    }
    while (!cycle.empty() && edges[cycle.back()].from != start) {
        const std::size_t node = edges[cycle.back()].from;
        cycle.push_back(*std::ranges::find_if(among, [&](std::size_t index) {
            return edges[index].to == node && edges[index].from == parent[node];
        }));
    }
    std::ranges::reverse(cycle);
    return cycle;
}

}  // namespace

ClosedWaits closed_waits(const std::vector<WaitNode>& nodes, const std::vector<WaitEdge>& edges) {
    const std::vector<std::size_t> component = components_of(nodes.size(), edges);
    std::set<std::size_t> left;    // an edge leads out of it, or might
    std::set<std::size_t> served;  // a daemon thread is in it
    for (const WaitEdge& edge : edges) {
        if (!edge.known || component[edge.from] != component[edge.to]) {
            left.insert(component[edge.from]);
        }
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (nodes[i].daemon) {
            served.insert(component[i]);
        }
    }
    ClosedWaits closed;
    for (std::size_t i = 0; i < edges.size(); ++i) {
        const std::size_t of = component[edges[i].from];
        if (served.contains(of) && !left.contains(of)) {
            closed.edges.push_back(i);
        }
    }
    std::set<std::size_t> starts;
    for (const std::size_t index : closed.edges) {
        if (nodes[edges[index].from].daemon) {
            starts.insert(edges[index].from);
        }
    }
    for (const std::size_t start : starts) {
        auto cycle = shortest_cycle(nodes.size(), edges, closed.edges, start);
        if (!cycle.empty() && (closed.cycle.empty() || cycle.size() < closed.cycle.size())) {
            closed.cycle = std::move(cycle);
        }
    }
    return closed;
}

}  // namespace reflux::verdict
