#include "harness/verdict/wait_nodes.h"

#include "harness/verdict/words.h"

#include <string_view>

#include <fmt/format.h>

namespace reflux::verdict {

using evidence::Evidence;
using evidence::ProgressPoint;
using evidence::TaskSample;

namespace {

std::string_view role_words(const Evidence& evidence, const TaskSample& task) {
    if (is_daemon(evidence, task)) {
        return "daemon";
    }
    if (task.role == "upper") {
        return "upper filesystem";
    }
    return task.role == "lower" ? "lower filesystem" : task.role == "workload" ? "workload" : "other";
}

}  // namespace

std::size_t task_node(const Evidence& evidence, const TaskSample& task, WaitGraph& graph) {
    const std::size_t node = graph.node(NodeKind::task, name_of(task));
    graph.nodes[node].note = fmt::format("{}, state {}", role_words(evidence, task), task.state);
    graph.nodes[node].daemon = is_daemon(evidence, task);
    return node;
}

std::size_t upper_device_node(const Evidence& evidence, WaitGraph& graph) {
    const std::size_t node =
        graph.node(NodeKind::device, "upper device " + text_or(evidence.devices.upper_device, "(unknown)"));
    if (const ProgressPoint* point = counters_in_stall(evidence); point != nullptr) {
        graph.nodes[node].note = fmt::format("{}, {} I/O in flight", text_or(evidence.devices.upper_fs, "?"),
                                             point->device_in_flight);
    }
    return node;
}

std::size_t lower_device_node(const Evidence& evidence, WaitGraph& graph) {
    const std::size_t node =
        graph.node(NodeKind::device, "lower device " + text_or(evidence.devices.lower_device, "(unknown)"));
    graph.nodes[node].note = evidence.devices.lower_fs;
    return node;
}

std::size_t connection_node(const Evidence& evidence, WaitGraph& graph) {
    const std::size_t node = graph.node(NodeKind::connection, connection_words(evidence.devices));
    if (const ProgressPoint* point = counters_in_stall(evidence); point != nullptr && waiting_of(*point)) {
        graph.nodes[node].note =
            fmt::format("{}, {} waiting", evidence.devices.front_end, *waiting_of(*point));
    }
    return node;
}

std::string connection_words(const evidence::Devices& devices) {
    if (devices.front_end == "fuse") {
        return "connection " + number_or_unknown(devices.fuse_connection);
    }
    return fmt::format(
        "{} device {}", devices.front_end,
        text_or(devices.served_device.empty() ? devices.upper_device : devices.served_device, "(unknown)"));
}

std::optional<std::uint64_t> waiting_of(const ProgressPoint& point) {
    return point.fuse_waiting ? point.fuse_waiting : point.served_in_flight;
}

std::size_t pause_node(Wait wait, WaitGraph& graph) {
    const std::size_t node = graph.node(NodeKind::resource, std::string(to_string(wait)));
    graph.nodes[node].note = "ends by time";
    return node;
}

std::size_t unknown_node(WaitGraph& graph) {
    graph.nodes.push_back({.kind = NodeKind::unknown, .label = "?", .note = ""});
    return graph.nodes.size() - 1;
}

const ProgressPoint* counters_in_stall(const Evidence& evidence) {
    const ProgressPoint* last = nullptr;
    for (const ProgressPoint& point : evidence.progress) {
        if (point.at_s <= evidence.stall->detected_s) {
            last = &point;
        }
    }
    return last;
}

}  // namespace reflux::verdict
