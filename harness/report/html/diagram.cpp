#include "harness/report/html/markup.h"
#include "harness/report/html/pictures.h"
#include "harness/report/wrap.h"
#include "harness/verdict/wait_nodes.h"
#include "harness/verdict/watch.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>

#include <fmt/format.h>

namespace reflux::report::html {
namespace {

using evidence::Evidence;
using verdict::NodeKind;
using verdict::WaitGraph;
using verdict::WaitNode;

// Sizes in pixels; the picture is as wide as the narrowest screen leaves room for.
constexpr double width = 360;
constexpr double right = 322;  // edge of the layers; what is right of it is for arrows that go up
constexpr double title_height = 24;
constexpr double line_height = 16;
constexpr double node_height = 38;
constexpr double node_gap = 32;
constexpr double layer_gap = 14;
constexpr std::size_t columns = 39;  // of a line of text in a layer: it ends before the arrows

enum class Level { workload, upper, map, front_end, daemon, lower };

struct Layer {
    Level level = Level::workload;
    std::string title;
    std::vector<std::string> lines;  // what it is, and who waits in it
    std::vector<std::size_t> nodes;  // of the cycle, indexes of the graph's
};

Level level_of_role(const Evidence& evidence, const evidence::TaskSample& task) {
    return verdict::is_daemon(evidence, task) ? Level::daemon
           : task.role == "upper"             ? Level::upper
           : task.role == "lower"             ? Level::lower
                                              : Level::workload;
}

Level level_of(const Evidence& evidence, const WaitNode& node) {
    switch (node.kind) {
        case NodeKind::connection:
            return Level::front_end;
        case NodeKind::request:
            return Level::daemon;
        case NodeKind::device:
            return node.label.starts_with("lower") ? Level::lower : Level::upper;
        case NodeKind::resource:
        case NodeKind::unknown:
            return Level::upper;
        case NodeKind::task:
            break;
    }
    if (!node.daemon && evidence.stall && !evidence.stall->snapshots.empty()) {
        for (const auto& task : evidence.stall->snapshots.back().tasks) {
            if (verdict::name_of(task) == node.label) {
                return level_of_role(evidence, task);
            }
        }
    }
    return node.daemon ? Level::daemon : Level::upper;
}

std::string on(const std::string& what, const std::string& device) {
    return device.empty() ? what : fmt::format("{} on {}", verdict::text_or(what, "?"), device);
}

std::string daemon_words(const Evidence& evidence) {
    std::string text = verdict::text_or(evidence.devices.daemon, "daemon");
    if (!evidence.engine.empty()) {
        text += ", engine " + evidence.engine;
    }
    if (!evidence.placement.empty()) {
        text += ", memcg " + evidence.placement;
    }
    return text;
}

std::vector<std::string> broken(const std::string& line) {
    return wrapped(line, {.columns = columns, .indent = "", .hang = "", .most = 4});
}

std::vector<Layer> layers_of(const Evidence& evidence) {
    const auto& devices = evidence.devices;
    std::vector<Layer> layers;
    layers.push_back({.level = Level::workload, .title = "Workload"});
    layers.push_back({.level = Level::upper,
                      .title = "Upper filesystem",
                      .lines = broken(on(devices.upper_fs, devices.upper_device))});
    if (!devices.map.empty()) {
        layers.push_back({.level = Level::map, .title = "Map", .lines = broken(devices.map)});
    }
    layers.push_back(
        {.level = Level::front_end,
         .title = "Front end",
         .lines = broken(evidence::has_daemon(devices)
                             ? fmt::format("{}: {}", devices.front_end, verdict::connection_words(devices))
                             : verdict::text_or(devices.front_end, "?"))});
    if (evidence::has_daemon(devices)) {
        layers.push_back(
            {.level = Level::daemon, .title = "Daemon", .lines = broken(daemon_words(evidence))});
    }
    if (!devices.lower_fs.empty() || !devices.lower_device.empty()) {
        layers.push_back({.level = Level::lower,
                          .title = "Lower filesystem",
                          .lines = broken(on(devices.lower_fs, devices.lower_device))});
    }
    return layers;
}

Layer& layer_at(std::vector<Layer>& layers, Level level) {
    const auto found = std::ranges::find(layers, level, &Layer::level);
    return found == layers.end() ? layers.front() : *found;
}

// "in D: 2 × journal commit, 1 × not known"
void add_waiting(const Evidence& evidence, std::vector<Layer>& layers) {
    if (!evidence.stall) {
        return;
    }
    std::map<Level, std::map<std::string, unsigned>> waits;
    for (const auto& task : verdict::watch(*evidence.stall)) {
        if (task.last.state == 'D') {
            const auto what =
                task.classified.wait ? std::string(to_string(*task.classified.wait)) : "not known";
            ++waits[level_of_role(evidence, task.last)][what];
        }
    }
    for (const auto& [level, counts] : waits) {
        std::vector<std::string> parts;
        for (const auto& [what, count] : counts) {
            parts.push_back(fmt::format("{} × {}", count, what));
        }
        auto& lines = layer_at(layers, level).lines;
        const auto more = broken("waits in D: " + verdict::join(parts, ", "));
        lines.insert(lines.end(), more.begin(), more.end());
    }
}

// Nodes of the cycle in its order, from a daemon thread on.
std::vector<std::size_t> cycle_nodes(const WaitGraph& graph) {
    std::vector<std::size_t> nodes;
    for (const auto edge : graph.cycle) {
        nodes.push_back(graph.edges[edge].from);
    }
    return nodes;
}

// What is waited for stands above what waits for it to its right: the daemon's requests above its threads.
void add_nodes(const Evidence& evidence, const WaitGraph& graph, std::vector<Layer>& layers) {
    for (const auto node : cycle_nodes(graph)) {
        layer_at(layers, level_of(evidence, graph.nodes[node])).nodes.push_back(node);
    }
    for (auto& layer : layers) {
        std::stable_partition(layer.nodes.begin(), layer.nodes.end(), [&graph](std::size_t node) {
            return graph.nodes[node].kind == NodeKind::request;
        });
    }
}

struct Place {
    double y = 0;          // upper edge of the node
    std::size_t rank = 0;  // from the top
};
using Places = std::map<std::size_t, Place>;

struct Drawn {
    std::string svg;
    double height = 0;
    Places places;
};

void draw_node(const WaitNode& node, double y, Drawn& drawn) {
    drawn.svg += fmt::format(
        "<rect x=\"16\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" class=\"node\"/><text x=\"26\" "
        "y=\"{}\" "
        "class=\"node-name\">{}</text><text x=\"26\" y=\"{}\" class=\"node-note\">{}</text>\n",
        y, right - 32, node_height, node.kind == NodeKind::task ? 4 : 19, y + 16,
        escaped(wrapped(node.label, {.columns = 34, .most = 1}).front()), y + 31,
        escaped(wrapped(node.note, {.columns = 40, .most = 1}).front()));
}

void draw_layer(const Layer& layer, const WaitGraph& graph, Drawn& drawn) {
    double y = drawn.height;
    const double height = title_height + static_cast<double>(layer.lines.size()) * line_height +
                          (layer.nodes.empty() ? 4 : 8) +
                          static_cast<double>(layer.nodes.size()) * (node_height + node_gap) -
                          (layer.nodes.empty() ? 0 : node_gap - 10);
    drawn.svg += fmt::format(
        "<rect x=\"4\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"6\" class=\"layer\"/><text x=\"16\" y=\"{}\" "
        "class=\"layer-name\">{}</text>\n",
        y, right - 4, height, y + 19, layer.title);
    y += title_height;
    for (const auto& line : layer.lines) {
        y += line_height;
        drawn.svg +=
            fmt::format("<text x=\"16\" y=\"{}\" class=\"layer-line\">{}</text>\n", y - 2, escaped(line));
    }
    y += 8;
    for (const auto node : layer.nodes) {
        drawn.places[node] = {.y = y, .rank = drawn.places.size()};
        draw_node(graph.nodes[node], y, drawn);
        y += node_height + node_gap;
    }
    drawn.height += height + layer_gap;
}

// One that goes to the node below is a straight arrow; all others go round on the right.
void draw_edge(const Place& from, const Place& to, std::size_t number, std::size_t& around, Drawn& drawn) {
    double x = right - 44;
    double y = (from.y + node_height + to.y) / 2 - 4;
    if (to.rank == from.rank + 1) {
        drawn.svg += fmt::format(R"x(<path class="edge" marker-end="url(#arrow)" d="M{0} {1}V{2}"/>)x", x,
                                 from.y + node_height, to.y - 1);
    } else {
        const double out = right + 8 + 7 * static_cast<double>(std::min<std::size_t>(around, 3));
        ++around;
        const double start = from.y + node_height / 2 - 5;
        const double end = to.y + node_height / 2 + 5;
        drawn.svg +=
            fmt::format(R"x(<path class="edge" marker-end="url(#arrow)" d="M{0} {1}H{2}V{3}H{4}"/>)x",
                        right - 16, start, out, end, right - 15);
        x = out;
        y = (start + end) / 2;
    }
    drawn.svg += fmt::format(
        "<circle cx=\"{0}\" cy=\"{1}\" r=\"8.5\" class=\"badge\"/><text x=\"{0}\" y=\"{2}\" "
        "text-anchor=\"middle\" class=\"badge\">{3}</text>\n",
        x, y, y + 4, number);
}

void draw_cycle(const WaitGraph& graph, Drawn& drawn) {
    std::size_t around = 0;
    for (std::size_t i = 0; i < graph.cycle.size(); ++i) {
        const auto& edge = graph.edges[graph.cycle[i]];
        draw_edge(drawn.places.at(edge.from), drawn.places.at(edge.to), i + 1, around, drawn);
    }
}

std::string edge_list(const WaitGraph& graph) {
    std::string text = R"(<p class="key">A → B: A goes on only when B does something.</p><ol class="edges">)";
    for (const auto index : graph.cycle) {
        const auto& edge = graph.edges[index];
        text +=
            fmt::format(R"(<li><b>{}</b> → <b>{}</b>: {}<span class="fact">{}</span></li>)",
                        escaped(graph.nodes[edge.from].label, 120), escaped(graph.nodes[edge.to].label, 120),
                        escaped(edge.what, 200), escaped(edge.fact, 800));
    }
    return text + "</ol>";
}

std::string without_cycle(const Evidence& evidence, const WaitGraph& graph) {
    if (!evidence.stall) {
        return R"(<p class="key">Nothing stalled, so nothing is drawn upon the stack.</p>)";
    }
    std::string text = R"(<p class="key">No wait cycle closes through the daemon.</p>)";
    constexpr std::size_t most = 4;
    if (!graph.missing.empty()) {
        text += R"(<ul class="plain">)";
        for (std::size_t i = 0; i < std::min(graph.missing.size(), most); ++i) {
            text += fmt::format("<li>{}</li>", escaped(graph.missing[i], 500));
        }
        text += "</ul>";
    }
    return text;
}

std::string description(const WaitGraph& graph) {
    std::string text = graph.cycle.empty() ? "No wait cycle closes." : "The wait cycle: ";
    for (const auto index : graph.cycle) {
        const auto& edge = graph.edges[index];
        text += fmt::format("{} waits for {} ({}). ", graph.nodes[edge.from].label,
                            graph.nodes[edge.to].label, edge.what);
    }
    return text;
}

}  // namespace

std::string diagram(const Evidence& evidence, const WaitGraph& graph, const std::string& id) {
    auto layers = layers_of(evidence);
    add_waiting(evidence, layers);
    add_nodes(evidence, graph, layers);
    Drawn drawn;
    drawn.height = 2;
    for (const auto& layer : layers) {
        draw_layer(layer, graph, drawn);
    }
    draw_cycle(graph, drawn);
    return fmt::format(
        "<figure class=\"stack\"><svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" "
        "aria-labelledby=\"{0}-st "
        "{0}-sd\" width=\"{1}\" viewBox=\"0 0 {1} {2}\"><title id=\"{0}-st\">The stack{3}</title><desc "
        "id=\"{0}-sd\">{4}</desc>\n{5}</svg>\n<figcaption>{6}</figcaption></figure>\n",
        id, width, drawn.height - layer_gap + 4,
        graph.cycle.empty() ? "" : " with the wait cycle drawn on it", escaped(description(graph)), drawn.svg,
        graph.cycle.empty() ? without_cycle(evidence, graph) : edge_list(graph));
}

}  // namespace reflux::report::html
