#include "harness/run/plan.h"

#include "harness/run/requirements.h"
#include "harness/scenario/front_ends.h"
#include "harness/scenario/load.h"
#include "harness/stack/front_end.h"

#include <sys/utsname.h>
#include <unistd.h>

namespace reflux::run {
namespace {

std::optional<stack::ForeignDaemon> foreign_daemon(const scenario::Daemon& daemon) {
    if (!daemon.is_foreign()) {
        return std::nullopt;
    }
    return stack::ForeignDaemon{.command = daemon.command, .serves = daemon.serves, .config = daemon.config};
}

// Empty: there is none.
std::string map_of(const scenario::Stack& stack) {
    return stack.map == "none" ? "" : stack.map;
}

// "tcmu-runner" of "/usr/bin/tcmu-runner -d"
std::string program_of(const std::string& command) {
    const std::string word = command.substr(0, command.find(' '));
    return word.substr(word.rfind('/') + 1);
}

// What starts a foreign daemon so that it has the marks: `reflux exec`.
std::vector<std::string> exec_prefix(const Mitigations& mitigations) {
    std::vector<std::string> words;
    for (const auto& row : mitigations) {
        if (row.mark_caller != nullptr) {
            words.insert(words.end(), {"--mitigation", row.name});
        }
    }
    if (!words.empty()) {
        words.insert(words.begin(), {own_path(), "exec"});
        words.emplace_back("--");
    }
    return words;
}

pressure::DaemonPlace daemon_place(scenario::Placement placement) {
    switch (placement) {
        case scenario::Placement::siblings:
            return pressure::DaemonPlace::sibling;
        case scenario::Placement::apart:
            return pressure::DaemonPlace::apart;
        case scenario::Placement::shared:
            break;
    }
    return pressure::DaemonPlace::with_workload;
}

}  // namespace

pressure::MemcgPlan make_memcg_plan(const scenario::Scenario& scenario, const probe::MemoryCgroup& host) {
    return {.version = host.version == "v1" ? pressure::Version::v1 : pressure::Version::v2,
            .hierarchy = host.hierarchy,
            .limit = scenario.memcg.limit,
            .daemon = daemon_place(scenario.memcg.placement),
            .daemon_limit = scenario.memcg.daemon_limit};
}

stack::Plan make_stack_plan(const scenario::Scenario& scenario, const Mitigations& mitigations,
                            const pressure::Memcg& memcg, const RunPlace& place) {
    stack::Plan plan;
    plan.lower_fs = scenario.stack.lower;
    plan.upper_fs = scenario.stack.upper;
    plan.upper_mkfs = scenario.stack.upper_mkfs;
    plan.upper_options = scenario.stack.upper_options;
    plan.front_end = scenario.stack.front_end;
    plan.map = map_of(scenario.stack);
    plan.zone_model = scenario.daemon.zone_model;
    plan.foreign = foreign_daemon(scenario.daemon);
    plan.exec_prefix = exec_prefix(mitigations);
    plan.lower_size = scenario.stack.lower_size;
    plan.upper_size = scenario.stack.upper_size;
    plan.zone_size = scenario.daemon.zone_size;
    plan.conventional_zones = scenario.daemon.conventional_zones;
    plan.image_folder = image_folder();
    plan.refluxd = scenario::has_daemon(plan.front_end) ? refluxd_path() : "";
    plan.serve_arguments = {"--engine", scenario.daemon.engine};
    if (scenario.daemon.engine != "sync") {
        plan.serve_arguments.insert(plan.serve_arguments.end(),
                                    {"--threads", std::to_string(scenario.daemon.threads)});
    }
    for (const auto& row : mitigations) {
        plan.serve_arguments.insert(plan.serve_arguments.end(), row.effect.daemon_arguments.begin(),
                                    row.effect.daemon_arguments.end());
    }
    plan.daemon_cgroup_procs = memcg.daemon_procs;
    plan.helper_cgroup_procs = memcg.helper_procs;
    plan.daemon_log = place.folder + "/refluxd.log";
    plan.outlive_harness = place.outlive_harness;
    return plan;
}

workload::WorkloadPlan make_workload_plan(const scenario::Scenario& scenario, Bytes capacity) {
    const auto& wanted = scenario.workload;
    return {.seed = wanted.seed,
            .workers = wanted.workers,
            .work = wanted.work,
            .small_file = wanted.small_file,
            .large_file = wanted.large_file,
            .append_every = wanted.append_every,
            .names = wanted.names,
            .capacity = capacity,
            .time_limit = scenario.judge.time_budget};
}

evidence::Evidence expected_evidence(const scenario::Scenario& scenario) {
    evidence::Evidence evidence;
    evidence.scenario = scenario.name;
    evidence.expected = {.outcome = scenario.expect.outcome,
                         .recursion = scenario.expect.recursion,
                         .status = is_not_reproduced(scenario) ? scenario.status : std::string(),
                         .tried = scenario.tried};
    evidence.limits.stall_window_s = scenario.judge.stall_window.count();
    evidence.limits.work_bytes = scenario.workload.work.value;
    evidence.limits.time_budget_s = scenario.judge.time_budget.count();
    if (scenario.memcg.limit) {
        evidence.limits.memcg_limit_bytes = scenario.memcg.limit->value;
    }
    if (scenario.memcg.daemon_limit) {
        evidence.limits.daemon_limit_bytes = scenario.memcg.daemon_limit->value;
    }
    evidence.placement = scenario::to_string(scenario.memcg.placement);
    const auto* const front_end = stack::find_front_end(scenario.stack.front_end);
    const bool has_lower = front_end != nullptr && front_end->make_image != nullptr;
    evidence.devices.lower_fs = has_lower ? scenario.stack.lower : "";
    evidence.devices.upper_fs = scenario.stack.upper;
    evidence.devices.front_end = scenario.stack.front_end;
    evidence.devices.map = map_of(scenario.stack);
    if (scenario::has_daemon(scenario.stack.front_end)) {
        const bool foreign = scenario.daemon.is_foreign();
        evidence.devices.daemon = foreign ? program_of(scenario.daemon.command) : "refluxd";
        evidence.engine = foreign ? "" : scenario.daemon.engine;
    }
    return evidence;
}

void replace_expectations(const scenario::Expect& by, evidence::Expectation& expected) {
    if (!by.outcome.empty()) {
        expected.outcome = by.outcome;
    }
    if (!by.recursion.empty()) {
        expected.recursion = by.recursion;
    }
}

evidence::Environment environment() {
    evidence::Environment environment;
    utsname names{};
    if (::uname(&names) == 0) {
        environment.kernel_release = &names.release[0];
        environment.kernel_version = &names.version[0];
        environment.machine = &names.machine[0];
    }
    environment.cpus = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
    environment.memory_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                               static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return environment;
}

}  // namespace reflux::run
