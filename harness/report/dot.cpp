#include "harness/report/dot.h"

#include "harness/report/wrap.h"

#include <map>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reflux::report {

using verdict::NodeKind;
using verdict::WaitEdge;
using verdict::WaitGraph;
using verdict::WaitNode;

namespace {

constexpr std::size_t label_columns = 40;
constexpr std::size_t label_lines = 6;

// As DOT writes a string; JSON escapes quotes, backslashes and line breaks the same way, and bytes that are
// not UTF-8 are replaced.
std::string dot_string(const std::string& text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string narrow(std::string_view text) {
    const auto lines =
        wrapped(text, {.columns = label_columns, .indent = "", .hang = "", .most = label_lines});
    return fmt::format("{}", fmt::join(lines, "\n"));
}

std::string_view shape_of(NodeKind kind) {
    switch (kind) {
        case NodeKind::task:
            return "box";
        case NodeKind::device:
            return "cylinder";
        case NodeKind::connection:
            return "hexagon";
        case NodeKind::request:
            return "note";
        case NodeKind::resource:
        case NodeKind::unknown:
            return "ellipse";
    }
    return "ellipse";
}

std::string node_line(std::size_t index, const WaitNode& node, std::string_view note, bool closed) {
    std::string label = narrow(node.label);
    if (!note.empty()) {
        label += "\n" + narrow(note);
    }
    std::string style;
    if (node.kind == NodeKind::unknown) {
        style = ", style=dashed, color=gray40";
    } else if (closed) {
        style = ", color=red, penwidth=2";
    }
    if (node.daemon) {
        style += ", style=filled, fillcolor=mistyrose";
    }
    return fmt::format("  n{} [shape={}, label={}{}];\n", index, shape_of(node.kind), dot_string(label),
                       style);
}

std::string edge_line(const WaitEdge& edge, bool closed) {
    const std::string_view style = closed       ? ", color=red, penwidth=2.5, style=bold"
                                   : edge.known ? ""
                                                : ", color=gray40, style=dashed";
    return fmt::format("  n{} -> n{} [label={}, tooltip={}{}];\n", edge.from, edge.to,
                       dot_string(narrow(edge.what)), dot_string(printable(edge.fact)), style);
}

std::string title(const evidence::Evidence& evidence, const verdict::Verdict& verdict,
                  const WaitGraph& graph) {
    std::string text =
        fmt::format("{}: {}, kernel {}\n", printable(evidence.scenario), verdict::to_string(verdict.outcome),
                    printable(evidence.environment.kernel_release));
    text += graph.nodes.empty()
                ? "no stall was found, so nothing waits"
                : "A -> B: A goes on only when B does something; red: a closed cycle; dashed: not known";
    if (graph.left_out > 0) {
        text += fmt::format("\n{} more groups of waiting tasks are not shown", graph.left_out);
    }
    return text;
}

}  // namespace

std::string wait_graph_dot(const evidence::Evidence& evidence, const verdict::Verdict& verdict,
                           const WaitGraph& graph) {
    const std::set<std::size_t> closed(graph.closed.begin(), graph.closed.end());
    std::set<std::size_t> closed_nodes;
    std::map<std::size_t, std::string_view> unknowns;  // what is not known, by the node that stands for it
    for (std::size_t i = 0; i < graph.edges.size(); ++i) {
        const WaitEdge& edge = graph.edges[i];
        if (closed.contains(i)) {
            closed_nodes.insert({edge.from, edge.to});
        }
        if (graph.nodes[edge.to].kind == NodeKind::unknown) {
            unknowns[edge.to] = edge.fact;
        }
    }
    std::string text = "digraph wait {\n";
    text += fmt::format("  graph [rankdir=LR, labelloc=t, label={}];\n",
                        dot_string(title(evidence, verdict, graph)));
    text += "  node [fontname=\"sans-serif\", fontsize=11];\n  edge [fontname=\"sans-serif\", fontsize=9];\n";
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        const WaitNode& node = graph.nodes[i];
        const auto unknown = unknowns.find(i);
        text += node_line(i, node, unknown != unknowns.end() ? unknown->second : node.note,
                          closed_nodes.contains(i));
    }
    for (std::size_t i = 0; i < graph.edges.size(); ++i) {
        text += edge_line(graph.edges[i], closed.contains(i));
    }
    return text + "}\n";
}

}  // namespace reflux::report
