#include "harness/verdict/waiting_tasks.h"

#include "harness/verdict/wait_nodes.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

namespace reflux::verdict {

using evidence::Evidence;
using evidence::TaskSample;

namespace {

constexpr std::size_t most_groups = 40;
constexpr std::size_t most_tids = 4;

enum class Side { upper, lower, unknown };

// What a task waits for; the order is that in which tasks are shown.
enum class Target { connection, journal, device, pause, unknown };

struct Finding {
    Target target = Target::unknown;
    Side side = Side::unknown;  // of a journal or a device
    std::string what;
    std::string fact;
};

// A journal, or what stands for it, by filesystem; the name of the thread that ends waits for it, if only one
// does.
struct Journal {
    std::string_view filesystem;
    Wait wait;
    std::string_view name;
    std::string_view thread;
    std::string_view fact;
};
constexpr auto journals = std::to_array<Journal>({
    {"ext4", Wait::journal_commit, "journal", "jbd2/", "that thread alone commits it"},
    {"ext4", Wait::transaction, "journal", "jbd2/", "that thread alone commits it"},
    {"xfs", Wait::journal_commit, "log", "", ""},
    {"xfs", Wait::transaction, "log space", "xfsaild/", "that thread makes room in it"},
});
constexpr Journal any_journal{"", Wait::journal_commit, "journal", "", ""};

const std::string& filesystem_of(const Evidence& evidence, Side side) {
    return side == Side::upper ? evidence.devices.upper_fs : evidence.devices.lower_fs;
}

const Journal& journal_of(const Evidence& evidence, Side side, Wait wait) {
    const auto* const found = std::ranges::find_if(journals, [&](const Journal& it) {
        return it.filesystem == filesystem_of(evidence, side) && it.wait == wait;
    });
    return found == journals.end() ? any_journal : *found;
}

bool is_thread_of(const Journal& journal, const TaskSample& task, Side side) {
    return !journal.thread.empty() && task.name.starts_with(journal.thread) &&
           task.role == (side == Side::upper ? "upper" : "lower");
}

bool is_loop_worker(const TaskSample& task) {
    return std::ranges::any_of(task.stack, [](const std::string& function) {
        const Frame* frame = find_frame(function);
        return frame != nullptr && frame->region == Region::loop_worker;
    });
}

// The filesystem in which the task waits. A loop worker's is the one below its device.
Side side_of(const TaskSample& task) {
    if (is_loop_worker(task)) {
        return Side::unknown;
    }
    return task.role == "upper" || task.role == "workload" ? Side::upper
           : task.role == "lower"                          ? Side::lower
                                                           : Side::unknown;
}

Finding unknown(std::string what, std::string fact) {
    return {.what = std::move(what), .fact = std::move(fact)};
}

// That of a task in a known wait of a filesystem.
Finding in_filesystem(const Evidence& evidence, const Watched& task, const std::string& what) {
    const TaskSample& last = task.last;
    const Wait wait = *task.classified.wait;
    const std::string& function = last.stack[task.classified.wait_frame];
    const Frame* frame = find_frame(function);
    const std::string fact = fmt::format("waits for {} ({})", what, function);
    const Side side = side_of(last);
    if (frame->generic) {
        const std::size_t next = task.classified.wait_frame + 1;
        return unknown(what, fmt::format("in {}, called by {}: no known function says what for", function,
                                         next < last.stack.size() ? last.stack[next] : "nobody"));
    }
    if (task.classified.waits_in_reclaim()) {
        return unknown(what, fact + " inside a reclaim; of which device is not known");
    }
    if (side == Side::unknown) {
        return unknown(what, fact + "; of which filesystem is not known");
    }
    if (ends_by_io(*frame)) {
        return {
            .target = Target::device,
            .side = side,
            .what = what,
            .fact = wait == Wait::buffer ? fmt::format("waits for I/O of {} ({})", what, function) : fact};
    }
    if (wait != Wait::journal_commit && wait != Wait::transaction) {
        return unknown(what, fact + "; who holds it is not known");
    }
    if (is_thread_of(journal_of(evidence, side, wait), last, side)) {
        return unknown(what, fmt::format("in {}, its own work: no frame tells what for", function));
    }
    return {.target = Target::journal, .side = side, .what = what, .fact = fact};
}

Finding wait_of(const Evidence& evidence, const Watched& task) {
    const Classified& classified = task.classified;
    const std::vector<std::string>& stack = task.last.stack;
    if (!classified.wait) {
        return unknown("unknown", stack.empty() ? std::string("unknown: its stack could not be read")
                                                : "unknown: innermost frame " + stack.front());
    }
    const std::string what(to_string(*classified.wait));
    const std::string fact = fmt::format("waits for {} ({})", what, stack[classified.wait_frame]);
    if (is_bounded(*classified.wait)) {
        return {.target = Target::pause,
                .what = what,
                .fact = fmt::format("in {}, which ends by time", stack[classified.wait_frame])};
    }
    if (*classified.wait == Wait::fuse_request) {
        if (task.last.role != "upper" || !is_loop_worker(task.last) || evidence.devices.front_end != "fuse") {
            return unknown(what, fact + "; of which connection is not known");
        }
        return {.target = Target::connection,
                .what = what,
                .fact = fmt::format("serves the upper device, waits for an answer ({})",
                                    stack[classified.wait_frame])};
    }
    if (is_filesystem_wait(*classified.wait)) {
        return in_filesystem(evidence, task, what);
    }
    return unknown(what, fact + "; who could end it is not known");
}

// Tasks of one name and role that wait alike.
struct Group {
    Finding finding;
    std::vector<const Watched*> tasks;
};

std::vector<Group> groups_of(const Evidence& evidence, const std::vector<Watched>& tasks) {
    std::vector<Group> groups;
    for (const Watched& task : tasks) {
        const bool waits = task.classified.wait ? task.classified.wait != Wait::idle && task.last.state != 'R'
                                                : task.last.state == 'D';
        if (!waits || is_daemon(evidence, task.last)) {
            continue;
        }
        Finding finding = wait_of(evidence, task);
        const auto like = std::ranges::find_if(groups, [&](const Group& it) {
            const TaskSample& first = it.tasks.front()->last;
            return first.name == task.last.name && first.role == task.last.role &&
                   it.finding.target == finding.target && it.finding.fact == finding.fact;
        });
        if (like != groups.end()) {
            like->tasks.push_back(&task);
        } else {
            groups.push_back({.finding = std::move(finding), .tasks = {&task}});
        }
    }
    // The threads that serve the stack say most, then what many wait for.
    const auto rank = [](const Group& group) {
        const TaskSample& first = group.tasks.front()->last;
        return group.finding.target == Target::connection ? 0
               : first.role == "upper"                    ? 1
               : first.role == "workload"                 ? 2
                                                          : 3;
    };
    std::ranges::stable_sort(groups, [&](const Group& a, const Group& b) {
        return std::pair(rank(a), b.tasks.size()) < std::pair(rank(b), a.tasks.size());
    });
    return groups;
}

std::size_t group_node(const Evidence& evidence, const Group& group, WaitGraph& graph) {
    const TaskSample& first = group.tasks.front()->last;
    if (group.tasks.size() == 1) {
        return task_node(evidence, first, graph);
    }
    std::vector<std::string> tids;
    for (std::size_t i = 0; i < std::min(group.tasks.size(), most_tids); ++i) {
        tids.push_back(std::to_string(group.tasks[i]->last.tid));
    }
    const std::size_t node = graph.node(
        NodeKind::task, fmt::format("{} x {}[{}{}]", group.tasks.size(), text_or(first.name, "task"),
                                    join(tids, " "), group.tasks.size() > most_tids ? " ..." : ""));
    graph.nodes[node].note = first.role;
    return node;
}

// The node of a journal, with who ends waits for it.
std::size_t journal_node(const Evidence& evidence, const std::vector<Watched>& tasks, const Group& group,
                         WaitGraph& graph) {
    const Side side = group.finding.side;
    const Journal& journal = journal_of(evidence, side, *group.tasks.front()->classified.wait);
    const std::size_t node = graph.node(
        NodeKind::resource,
        fmt::format(
            "{} of {} on {}", journal.name, text_or(filesystem_of(evidence, side), "?"),
            text_or(side == Side::upper ? evidence.devices.upper_device : evidence.devices.lower_device,
                    "?")));
    const bool has_edges =
        std::ranges::any_of(graph.edges, [&](const WaitEdge& it) { return it.from == node; });
    if (has_edges) {
        return node;
    }
    const auto thread =
        std::ranges::find_if(tasks, [&](const Watched& it) { return is_thread_of(journal, it.last, side); });
    if (thread != tasks.end() && thread->classified.wait != Wait::idle) {
        graph.add({.from = node,
                   .to = task_node(evidence, thread->last, graph),
                   .what = "needs",
                   .fact = std::string(journal.fact)});
        return node;
    }
    const std::string fact = thread != tasks.end() ? fmt::format("{} is idle", name_of(thread->last))
                             : journal.thread.empty()
                                 ? std::string("no one thread ends waits for it")
                                 : fmt::format("no thread {}... was seen", journal.thread);
    graph.add({.from = node, .to = unknown_node(graph), .known = false, .what = "unknown", .fact = fact});
    return node;
}

std::size_t target_node(const Evidence& evidence, const std::vector<Watched>& tasks, const Group& group,
                        WaitGraph& graph) {
    switch (group.finding.target) {
        case Target::connection:
            return connection_node(evidence, graph);
        case Target::journal:
            return journal_node(evidence, tasks, group, graph);
        case Target::device:
            return group.finding.side == Side::upper ? upper_device_node(evidence, graph)
                                                     : lower_device_node(evidence, graph);
        case Target::pause:
            return pause_node(*group.tasks.front()->classified.wait, graph);
        case Target::unknown:
            break;
    }
    return unknown_node(graph);
}

}  // namespace

void add_waiting_tasks(const Evidence& evidence, const std::vector<Watched>& tasks, WaitGraph& graph) {
    const std::vector<Group> groups = groups_of(evidence, tasks);
    for (std::size_t i = 0; i < groups.size(); ++i) {
        if (i >= most_groups) {
            graph.left_out = groups.size() - i;
            return;
        }
        const Finding& finding = groups[i].finding;
        const std::size_t from = group_node(evidence, groups[i], graph);
        if (finding.target == Target::connection) {
            graph.add({.from = upper_device_node(evidence, graph),
                       .to = from,
                       .what = "is served by",
                       .fact = "that is a loop worker of it"});
        }
        const std::size_t to = target_node(evidence, tasks, groups[i], graph);
        graph.add({.from = from,
                   .to = to,
                   .known = finding.target != Target::unknown,
                   .what = finding.what,
                   .fact = finding.fact});
    }
}

}  // namespace reflux::verdict
