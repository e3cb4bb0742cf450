#include "harness/observe/task_stacks.h"

#include "backend/base/kernel_file.h"
#include "backend/base/task_stat.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <map>
#include <set>

namespace reflux::observe {
namespace {

template <class Number>
std::optional<Number> number_of(std::string_view text) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

// The number after "key:" at the beginning of a line of a status file.
std::uint64_t status_number(std::string_view text, std::string_view key) {
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        auto line = text.substr(at, end - at);
        if (line.starts_with(key)) {
            line.remove_prefix(key.size());
            line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
            return number_of<std::uint64_t>(line).value_or(0);
        }
        at = end + 1;
    }
    return 0;
}

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// `word` stands in `text`, and no letter or digit beside it.
bool has_word(std::string_view text, std::string_view word) {
    if (word.empty()) {
        return false;
    }
    for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
        const auto end = at + word.size();
        if ((at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end]))) {
            return true;
        }
    }
    return false;
}

// btrfs names its threads by what they do and its bdi by a number of its own; `alone`: no other btrfs is in
// question.
bool names_device(std::string_view name, const WatchedDevice& device, bool alone) {
    if (has_word(name, device.name)) {
        return true;
    }
    if (!device.number.empty() && has_word(name, "flush-" + device.number)) {
        return true;
    }
    return alone && device.filesystem == "btrfs" && has_word(name, "btrfs");
}

std::vector<std::string> stack_of(const std::string& task) {
    if (const auto text = read_file(task + "/stack"); text) {
        return parse_task_stack(*text);
    }
    if (const auto text = read_file(task + "/wchan"); text) {
        if (auto symbol = trimmed(*text); !symbol.empty() && symbol != "0") {
            return {std::move(symbol)};
        }
    }
    return {};
}

// Context switches and stack of a task whose stat was read.
void complete(evidence::TaskSample& task, const std::string& directory, bool with_stacks) {
    // The stack first: it is what a task that is about to leave its wait takes away.
    if (with_stacks) {
        task.stack = stack_of(directory);
    }
    if (const auto status = read_file(directory + "/status"); status) {
        const auto switches = parse_context_switches(*status);
        task.voluntary_switches = switches.voluntary;
        task.involuntary_switches = switches.involuntary;
    }
}

// nullopt: the task is gone.
std::optional<evidence::TaskSample> read_stat(const std::string& directory, int pid, int tid) {
    auto stat = read_task_stat(directory + "/stat");
    if (!stat) {
        return std::nullopt;
    }
    evidence::TaskSample task;
    task.pid = pid;
    task.tid = tid;
    task.name = std::move(stat->name);
    task.state = stat->state;
    task.flags = stat->flags;
    task.cpu_ticks = stat->cpu_ticks;
    return task;
}

bool contains(const std::vector<int>& pids, int pid) {
    return std::find(pids.begin(), pids.end(), pid) != pids.end();
}

std::string_view role_of(const evidence::TaskSample& task, const StackMembers& members) {
    if (contains(members.daemon_pids, task.pid)) {
        return "daemon";
    }
    if (contains(members.workload_pids, task.pid)) {
        return "workload";
    }
    return (task.flags & pf_kthread) != 0 ? role_of_kernel_thread(task.name, members) : std::string_view{};
}

// Takes the task into `found` if it is blocked or a busy kernel thread of the stack.
void consider(evidence::TaskSample task, const std::string& directory, const StackMembers& members,
              bool with_stacks, std::vector<evidence::TaskSample>& found) {
    const auto role = role_of(task, members);
    const bool of_stack = !role.empty() && (task.flags & pf_kthread) != 0 && task.state != 'I';
    if (task.state != 'D' && !of_stack) {
        return;
    }
    task.role = role.empty() ? "other" : role;
    complete(task, directory, with_stacks);
    found.push_back(std::move(task));
}

}  // namespace

std::vector<std::string> parse_task_stack(std::string_view text) {
    std::vector<std::string> stack;
    for (const auto& line : lines_of(text)) {
        std::string_view frame = line;
        if (frame.starts_with("[<")) {  // "[<0>]", or the address in older kernels
            frame.remove_prefix(std::min(frame.find("] "), frame.size() - 2) + 2);
        }
        frame.remove_prefix(std::min(frame.find_first_not_of(" ?"), frame.size()));
        frame = frame.substr(0, frame.find_first_of("+ "));
        // Kernels before 5.5 end with a line of all ones.
        if (!frame.empty() && !frame.starts_with("0xffffffff")) {
            stack.emplace_back(frame);
        }
    }
    return stack;
}

ContextSwitches parse_context_switches(std::string_view status) {
    return {.voluntary = status_number(status, "voluntary_ctxt_switches:"),
            .involuntary = status_number(status, "nonvoluntary_ctxt_switches:")};
}

std::string_view role_of_kernel_thread(std::string_view name, const StackMembers& members) {
    const bool one_btrfs = (members.upper.filesystem == "btrfs") != (members.lower.filesystem == "btrfs");
    if (names_device(name, members.upper, one_btrfs)) {
        return "upper";
    }
    if (names_device(name, members.lower, one_btrfs)) {
        return "lower";
    }
    return {};
}

Result<std::vector<evidence::TaskSample>> sample_process(const std::string& proc_root, int pid,
                                                         std::string_view role, bool with_stacks) {
    const auto tasks = fmt::format("{}/{}/task", proc_root, pid);
    const auto names = list_directory(tasks);
    if (!names) {
        const int errnum = names.error().errnum;
        if (errnum == ENOENT || errnum == ESRCH) {
            return std::vector<evidence::TaskSample>{};
        }
        return fail(names.error());
    }
    std::vector<evidence::TaskSample> samples;
    for (const auto& name : *names) {
        const auto directory = tasks + "/" + name;
        if (auto task = read_stat(directory, pid, number_of<int>(name).value_or(0)); task) {
            task->role = role;
            complete(*task, directory, with_stacks);
            samples.push_back(std::move(*task));
        }
    }
    return samples;
}

std::vector<int> process_tree(const std::string& proc_root, int pid) {
    std::multimap<int, int> children;  // parent -> child
    for (const auto& name : list_directory(proc_root).value_or(std::vector<std::string>{})) {
        const auto number = number_of<int>(name);
        const auto stat = number ? read_task_stat(fmt::format("{}/{}/stat", proc_root, name))
                                 : Result<TaskStat>(fail(ErrorKind::system, "no process"));
        if (stat) {
            children.emplace(stat->parent, *number);
        }
    }
    std::vector<int> tree{pid};
    for (std::size_t i = 0; i < tree.size(); ++i) {
        const auto [first, last] = children.equal_range(tree[i]);
        std::transform(first, last, std::back_inserter(tree), [](const auto& pair) { return pair.second; });
    }
    return tree;
}

Result<std::vector<evidence::TaskSample>> sample_blocked(const std::string& proc_root,
                                                         const StackMembers& members, bool with_stacks) {
    REFLUX_TRY(const auto names, list_directory(proc_root));
    std::vector<evidence::TaskSample> found;
    for (const auto& name : names) {
        const auto pid = number_of<int>(name);
        if (!pid) {
            continue;
        }
        const auto process = proc_root + "/" + name;
        auto first = read_stat(process, *pid, *pid);
        if (!first) {
            continue;
        }
        const auto tasks = process + "/task";
        if ((first->flags & pf_kthread) != 0) {  // one thread: most of a machine's tasks cost one read
            consider(std::move(*first), tasks + "/" + name, members, with_stacks, found);
            continue;
        }
        for (const auto& thread : list_directory(tasks).value_or(std::vector<std::string>{})) {
            if (thread == name && first->state != 'D') {
                continue;  // the process's line shows its first thread's state
            }
            const auto directory = tasks + "/" + thread;
            if (auto task = read_stat(directory, *pid, number_of<int>(thread).value_or(0)); task) {
                consider(std::move(*task), directory, members, with_stacks, found);
            }
        }
    }
    return found;
}

Result<evidence::TaskSnapshot> sample_stack(const std::string& proc_root, const StackMembers& members,
                                            bool with_stacks, double at_s) {
    evidence::TaskSnapshot snapshot{.at_s = at_s, .tasks = {}};
    const auto add = [&](const std::vector<int>& pids, std::string_view role) -> Status {
        for (const int pid : pids) {
            REFLUX_TRY(auto tasks, sample_process(proc_root, pid, role, with_stacks));
            std::move(tasks.begin(), tasks.end(), std::back_inserter(snapshot.tasks));
        }
        return {};
    };
    REFLUX_CHECK(add(members.daemon_pids, "daemon"));
    REFLUX_CHECK(add(members.workload_pids, "workload"));
    std::set<int> known;
    for (const auto& task : snapshot.tasks) {
        known.insert(task.tid);
    }
    REFLUX_TRY(auto blocked, sample_blocked(proc_root, members, with_stacks));
    std::copy_if(std::move_iterator(blocked.begin()), std::move_iterator(blocked.end()),
                 std::back_inserter(snapshot.tasks),
                 [&](const evidence::TaskSample& task) { return !known.contains(task.tid); });
    return snapshot;
}

}  // namespace reflux::observe
