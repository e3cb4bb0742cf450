#include "harness/run/vm_host.h"

#include "backend/base/kernel_file.h"
#include "harness/evidence/json.h"
#include "harness/observe/task_stacks.h"
#include "harness/probe/speed.h"
#include "harness/report/wrap.h"
#include "harness/run/plan.h"
#include "harness/run/reclaim_module.h"
#include "harness/run/requirements.h"
#include "harness/run/run_folder.h"
#include "harness/vm/guest.h"
#include "harness/vm/reclaim_module.h"

#include <filesystem>

#include <fcntl.h>

namespace reflux::run {
namespace {

constexpr Seconds tick_time{0.25};
constexpr const char* command_file = "guest-command.sh";

// Filesystems and devices of a scenario are modules in most kernels.
std::vector<std::string> modules_of(const scenario::Scenario& scenario) {
    // What a front end needs besides, the run loads itself.
    return {"loop", scenario.stack.lower, scenario.stack.upper, "fuse"};
}

// `module`: as SessionPlan has it.
std::string command_text(const scenario::Scenario& scenario, Seconds work_time, const std::string& module) {
    std::string text = "# What the guest ran, with sh.\n";
    if (!scenario.vm.setup.empty()) {
        // Any line of it that fails ends it: not on the left side of ||, where -e does not hold.
        text += fmt::format("(\nset -e\n{}\n)\n[ $? -eq 0 ] || {{ echo 'vm.setup failed'; exit 4; }}\n",
                            scenario.vm.setup);
    }
    return text +
           fmt::format("exec {} guest-session --scenario {} --folder {} --host-work-s {:.6f}{}\n",
                       report::shell_quoted(own_path()),
                       report::shell_quoted(fmt::format("{}/{}.toml", vm::guest_folder, scenario.name)),
                       vm::guest_folder, work_time.count(),
                       module.empty() ? "" : " --reclaim-module " + report::shell_quoted(module));
}

// The harness in the guest begins its lines with its own time; here they get another.
std::string without_time(const std::string& line) {
    const auto end = line.starts_with("[") ? line.find(" s] ") : std::string::npos;
    return end == std::string::npos ? line : line.substr(end + 4);
}

// What the guest had written when it ended.
evidence::Evidence evidence_in(const std::string& folder, const scenario::Scenario& scenario) {
    if (const auto text = read_file(folder + "/evidence.json")) {
        if (auto read = evidence::from_json(*text)) {
            return std::move(*read);
        }
    }
    auto evidence = expected_evidence(scenario);
    if (scenario.vm.cgroup == "v2") {
        replace_expectations(scenario.expect_v2, evidence.expected);
    }
    return evidence;
}

bool is_written(const evidence::Evidence& evidence) {
    return !evidence.environment.kernel_release.empty();
}

// A harness in the guest that did not come to its end (it says so by its status), or a guest that never came
// to it.
std::string trouble_of(const vm::GuestEnd& end, const evidence::Evidence& evidence,
                       const std::string& last_line) {
    switch (end.kind) {
        case vm::GuestEnd::Kind::ended:
            return end.status == 0 && is_written(evidence)
                       ? ""
                       : fmt::format("the harness in the guest ended with status {}: {}", end.status,
                                     last_line);
        case vm::GuestEnd::Kind::no_boot:
        case vm::GuestEnd::Kind::stopped:
        case vm::GuestEnd::Kind::qemu_died:
            return end.detail;
        default:
            return "";
    }
}

// The guest has its own /run, and the kernel's own filesystems; a blank cannot stand on the kernel's command
// line.
Status check_seen_by_guests(const std::string& path) {
    for (const char* hidden : {"/run/", "/dev/", "/proc/", "/sys/"}) {
        if (path.starts_with(hidden)) {
            return fail(ErrorKind::unsupported,
                        fmt::format("a guest does not see {}: it has a {} of its own; move it elsewhere",
                                    path, hidden));
        }
    }
    if (path.find(' ') != std::string::npos) {
        return fail(
            ErrorKind::unsupported,
            fmt::format("'{}' has a blank in it, which virtual machines cannot take; move it elsewhere",
                        path));
    }
    return {};
}

// Reading everything back is the longest that the harness does without a word: two time budgets, stretched.
vm::Guest::Limits limits_of(const scenario::Scenario& scenario) {
    constexpr double most_stretched = 10;
    vm::Guest::Limits limits;
    limits.command_silence += 2 * most_stretched * scenario.judge.time_budget;
    return limits;
}

// A host without room stops the guest's lines, and the guest is not to blame.
void blame_full_disk(const std::string& folder, vm::GuestEnd& end) {
    std::error_code error;
    const auto space = std::filesystem::space(folder, error);
    if (!error && space.available < mebibytes(1).value) {
        end.kind = vm::GuestEnd::Kind::stopped;
        end.detail = fmt::format("no room is left in {}; {}", folder, end.detail);
    }
}

// A guest also falls silent when the host makes its QEMU wait.
void add_qemu_threads(const std::string& folder, int pid) {
    std::string text;
    if (const auto tasks = observe::sample_process("/proc", pid, "qemu", true)) {
        for (const auto& task : *tasks) {
            text += fmt::format("{} ({}) {}, {} ticks of CPU time: {}\n", task.tid, task.name, task.state,
                                task.cpu_ticks, fmt::join(task.stack, " <- "));
        }
    }
    const auto file = open_file(folder + "/qemu-threads.txt", O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (file) {
        static_cast<void>(write_all(file->get(), text + "\n", "qemu-threads.txt"));
    }
}

bool was_lost_early(const evidence::Evidence& evidence) {
    return evidence.guest && evidence.guest->end != to_string(vm::GuestEnd::Kind::ended) &&
           evidence.guest->end != to_string(vm::GuestEnd::Kind::stopped) && evidence.progress.empty();
}

// What a guest left in the run folder, out of the way of the next; not what the host laid there for both.
Status set_aside(const std::string& folder, const std::string& name) {
    std::error_code error;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
        if (entry.is_regular_file(error) && entry.path().extension() != ".toml" &&
            entry.path().extension() != ".sh") {
            files.push_back(entry.path());
        }
    }
    std::filesystem::create_directory(folder + "/" + name, error);
    for (const auto& file : files) {
        if (!error) {
            std::filesystem::rename(file, folder + "/" + name + "/" + file.filename().string(), error);
        }
    }
    return error ? Status(fail(ErrorKind::system, fmt::format("{}/{}: {}", folder, name, error.message())))
                 : Status{};
}

struct Watched {
    vm::GuestEnd end;
    std::string last_line;
};

Watched watch(vm::Guest& guest, EventLoop& loop, Console& console) {
    Watched watched;
    bool booted = false;
    while (!guest.end()) {
        const Event event = loop.next(tick_time);
        if (event == Event::interrupted) {
            watched.end.detail =
                fmt::format("interrupted by {}", to_string(ExitStatus{.signal = loop.interrupted()}));
            return watched;
        }
        if (event == Event::daemon_ended) {
            loop.forget_daemon();
        }
        for (const auto& line : guest.poll()) {
            watched.last_line = without_time(line);
            console.step(watched.last_line);
        }
        if (!booted && guest.boot_s()) {
            booted = true;
            console.step(fmt::format("the guest is up after {:.1f} s", *guest.boot_s()));
        }
    }
    watched.end = *guest.end();
    return watched;
}

}  // namespace

std::string VmHost::exact_kernel() const {
    if (kernel_.name.empty() || kernel_.name == "running") {
        return "running";
    }
    if (kernel_.name.find('/') == std::string::npos) {
        return kernel_.release;
    }
    return kernel_.root.empty() ? kernel_.image : kernel_.image + ":" + kernel_.root;
}

Result<VmHost> VmHost::prepare(const std::string& kernel, Console& console) {
    VmHost host;
    const std::string cache = vm::default_cache();
    REFLUX_CHECK(check_seen_by_guests(own_path()));
    REFLUX_TRY(host.kernel_,
               vm::find_kernel(kernel, cache, [&](const std::string& text) { console.step(text); }));
    REFLUX_CHECK(check_seen_by_guests(host.kernel_.root));
    REFLUX_TRY(host.accelerator_, vm::find_accelerator(host.kernel_, cache));
    REFLUX_TRY(host.work_time_, probe::time_of_fixed_work());
    console.step(fmt::format("guests: kernel {}, {} ({})", host.kernel_.release, host.accelerator_.name,
                             host.accelerator_.why));
    return host;
}

Result<std::string> VmHost::module_for(const scenario::Scenario& scenario, Console& console) const {
    if (!needs_reclaim_module(scenario)) {
        return std::string();
    }
    REFLUX_TRY(auto module, vm::reclaim_module_for(kernel_, vm::default_cache(),
                                                   [&](const std::string& text) { console.step(text); }));
    REFLUX_CHECK(check_seen_by_guests(module));
    return module;
}

evidence::Evidence VmHost::run(const scenario::Scenario& scenario, const std::string& folder, EventLoop& loop,
                               Console& console) const {
    auto evidence = run_guest(scenario, folder, loop, console);
    std::vector<std::string> lost;
    while (was_lost_early(evidence) && lost.size() + 1 < scenario.vm.attempts && loop.interrupted() == 0) {
        lost.push_back(evidence.guest->detail);
        if (const auto kept = set_aside(folder, fmt::format("lost-guest-{}", lost.size())); !kept) {
            console.step(kept.error().message);
            break;
        }
        console.step("it was lost before its workload began: another guest stands in for it");
        evidence = run_guest(scenario, folder, loop, console);
        if (evidence.guest) {
            evidence.guest->lost_before = lost;
        }
    }
    return evidence;
}

evidence::Evidence VmHost::run_guest(const scenario::Scenario& scenario, const std::string& folder,
                                     EventLoop& loop, Console& console) const {
    const auto failed = [&](const Error& error) {
        auto evidence = expected_evidence(scenario);
        (error.kind == ErrorKind::unsupported ? evidence.unsupported_reason : evidence.harness_error) =
            error.message;
        return evidence;
    };
    const auto module = module_for(scenario, console);
    if (!module) {
        return failed(module.error());
    }
    if (const auto written =
            replace_file(folder + "/" + command_file, command_text(scenario, work_time_, *module));
        !written) {
        return failed(written.error());
    }
    if (!kernel_.config.empty()) {
        std::error_code error;
        std::filesystem::copy_file(kernel_.config, folder + "/kernel-config", error);
        if (error) {
            console.step(fmt::format("kernel-config: copy of {}: {}", kernel_.config, error.message()));
        }
    }
    auto guest = vm::Guest::start({.kernel = kernel_,
                                   .accelerator = accelerator_,
                                   .cpus = scenario.vm.cpus,
                                   .memory = scenario.vm.memory,
                                   .cgroup = scenario.vm.cgroup,
                                   .modules = modules_of(scenario),
                                   .folder = folder,
                                   .scratch_folder = image_folder()},
                                  limits_of(scenario));
    if (!guest) {
        return failed(guest.error());
    }
    if (const auto watched = loop.watch_daemon(guest->qemu()); !watched) {
        return failed(watched.error());
    }
    auto [end, last_line] = watch(*guest, loop, console);
    loop.forget_daemon();
    if (end.kind != vm::GuestEnd::Kind::ended) {
        blame_full_disk(folder, end);
        console.step(end.detail);
    }
    if (end.kind == vm::GuestEnd::Kind::silent || end.kind == vm::GuestEnd::Kind::overdue) {
        console.step("asking it for its tasks, see console.txt");
        add_qemu_threads(folder, guest->qemu().pid);
        guest->dump_tasks();
        add_qemu_threads(folder, guest->qemu().pid);
    }
    const auto stopped = guest->stop();
    auto evidence = evidence_in(folder, scenario);
    evidence.guest = evidence::Guest{.accelerator = accelerator_.name,
                                     .kernel = kernel_.name,
                                     .boot_s = guest->boot_s().value_or(0),
                                     .end = to_string(end.kind),
                                     .detail = end.detail};
    if (evidence.harness_error.empty()) {
        evidence.harness_error = trouble_of(end, evidence, last_line);
    }
    if (!stopped) {
        evidence.leftovers.push_back(stopped.error().message);
    }
    if (evidence.duration_s == 0 && !evidence.progress.empty()) {
        evidence.duration_s = evidence.progress.back().at_s;
    }
    return evidence;
}

}  // namespace reflux::run
