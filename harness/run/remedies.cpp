#include "harness/run/remedies.h"

#include "backend/base/kernel_file.h"
#include "harness/journal/undo.h"
#include "harness/observe/daemon_status.h"
#include "harness/observe/task_stacks.h"

#include <algorithm>

namespace reflux::run {
namespace {

constexpr Seconds status_time{5};
constexpr Seconds count_time{1};  // relief waits for it

mitigation::Target target_of(const stack::Stack& stack, const pressure::Memcg& memcg) {
    return {.pid = stack.daemon.pid,
            .pressed_cgroup = memcg.pressed,
            .daemon_cgroup = memcg.daemon_procs.substr(0, memcg.daemon_procs.rfind('/')),
            .lower_mount = stack.lower_mount,
            .lower_device = stack.lower_device.number};
}

Status write_setting(const mitigation::Setting& setting, journal::Journal& journal) {
    if (setting.outlives_run) {
        REFLUX_TRY(const auto old, read_file(setting.path));
        REFLUX_TRY(const auto id, journal.intend(journal::Kind::setting, setting.path));
        REFLUX_CHECK(journal.note(id, trimmed(old)));
    }
    return write_file(setting.path, setting.value);
}

Status set(const mitigation::Row& row, const mitigation::Settings& settings, const mitigation::Target& target,
           journal::Journal& journal) {
    if (!settings) {
        return {};
    }
    const auto refused = [&](const Error& error) {
        return fail({.kind = ErrorKind::unsupported,
                     .message = fmt::format("mitigation {}: {}", row.name, error.message),
                     .errnum = error.errnum});
    };
    const auto wanted = settings(target);
    if (!wanted) {
        return refused(wanted.error());
    }
    for (const auto& setting : *wanted) {
        if (const auto written = write_setting(setting, journal); !written) {
            return refused(written.error());
        }
    }
    return {};
}

// Reads one back, into the evidence.
Status read_back(const mitigation::Row& row, const mitigation::Target& target, evidence::Evidence& evidence,
                 Console& console) {
    evidence.mitigations.push_back(row.read_back(row, target));
    const auto& shown = evidence.mitigations.back();
    console.step(fmt::format("mitigation {}: {}", shown.name, shown.detail));
    return shown.applied ? Status{}
                         : fail(ErrorKind::unsupported,
                                fmt::format("mitigation {} is not in force: {}", shown.name, shown.detail));
}

bool is_read_back(const evidence::Evidence& evidence, const mitigation::Row& row) {
    return std::ranges::find(evidence.mitigations, row.name, &evidence::Mitigation::name) !=
           evidence.mitigations.end();
}

}  // namespace

scenario::Scenario with_effects(scenario::Scenario scenario, const Mitigations& mitigations) {
    for (const auto& row : mitigations) {
        if (!row.effect.lower_fs.empty()) {
            scenario.stack.lower = row.effect.lower_fs;
        }
        if (!row.effect.engine.empty()) {
            scenario.daemon.engine = row.effect.engine;
        }
        if (auto& judge = scenario.judge; judge.stall_window < row.effect.stall_window) {
            judge.stall_window = row.effect.stall_window;
            judge.time_budget = std::max(judge.time_budget, 2 * judge.stall_window);
        }
        switch (row.effect.daemon_place) {
            case mitigation::DaemonPlace::apart:
                scenario.memcg.placement = scenario::Placement::apart;
                break;
            case mitigation::DaemonPlace::sibling:
                scenario.memcg.placement = scenario::Placement::siblings;
                break;
            case mitigation::DaemonPlace::as_scenario:
                break;
        }
    }
    return scenario;
}

Status set_before_stack(const Mitigations& mitigations, journal::Journal& journal) {
    for (const auto& row : mitigations) {
        REFLUX_CHECK(set(row, row.before, {}, journal));
    }
    return {};
}

Status end_before_stack(const Mitigations& mitigations, journal::Journal& journal,
                        evidence::Evidence& evidence, Console& console) {
    for (const auto& row : mitigations) {
        if (!row.before) {
            continue;
        }
        REFLUX_TRY(auto settings, row.before({}));
        std::erase_if(settings, [](const mitigation::Setting& setting) { return !setting.until_stack; });
        if (!settings.empty()) {
            REFLUX_CHECK(read_back(row, {}, evidence, console));
        }
        for (const auto& setting : settings) {
            REFLUX_CHECK(journal::undo_one(journal, journal::Kind::setting, setting.path));
        }
    }
    return {};
}

Status set_on_stack(const Mitigations& mitigations, const stack::Stack& stack, const pressure::Memcg& memcg,
                    journal::Journal& journal) {
    for (const auto& row : mitigations) {
        REFLUX_CHECK(set(row, row.settings, target_of(stack, memcg), journal));
    }
    return {};
}

Status read_mitigations_back(const Mitigations& mitigations, const stack::Stack& stack,
                             const pressure::Memcg& memcg, evidence::Evidence& evidence, Console& console) {
    if (mitigations.empty()) {
        return {};
    }
    auto target = target_of(stack, memcg);
    const auto tree = observe::process_tree("/proc", stack.daemon.pid);
    target.others.assign(tree.begin() + 1, tree.end());
    if (!stack.control_socket.empty()) {
        REFLUX_TRY(target.status, observe::ask_line(stack.control_socket, "status", status_time));
    }
    for (const auto& row : mitigations) {
        REFLUX_CHECK(is_read_back(evidence, row) ? Status{} : read_back(row, target, evidence, console));
    }
    return {};
}

void read_counts_again(const Mitigations& mitigations, const stack::Stack& stack,
                       const pressure::Memcg& memcg, evidence::Evidence& evidence) {
    const auto counts = [](const mitigation::Row& row) { return row.counts; };
    if (stack.control_socket.empty() || std::ranges::none_of(mitigations, counts)) {
        return;
    }
    auto target = target_of(stack, memcg);
    if (auto answer = observe::ask_line(stack.control_socket, "progress", count_time)) {
        target.status = std::move(*answer);
    } else {
        return;
    }
    for (const auto& row : mitigations) {
        const auto seen = std::ranges::find(evidence.mitigations, row.name, &evidence::Mitigation::name);
        if (row.counts && seen != evidence.mitigations.end()) {
            *seen = row.read_back(row, target);
        }
    }
}

}  // namespace reflux::run
