#include "harness/run/requirements.h"

#include "harness/probe/io_uring.h"
#include "harness/probe/machine.h"
#include "harness/probe/memory_cgroup.h"
#include "harness/scenario/front_ends.h"
#include "harness/stack/front_end.h"
#include "harness/stack/kernel_modules.h"

#include <array>
#include <cstdlib>
#include <filesystem>

#include <linux/capability.h>
#include <unistd.h>

namespace reflux::run {

std::string own_path() {
    std::array<char, 4096> path{};
    const ssize_t n = ::readlink("/proc/self/exe", path.data(), path.size());
    return {path.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
}

std::string refluxd_path() {
    const std::string own = own_path();
    return own.substr(0, own.rfind('/') + 1) + "refluxd";
}

std::string image_folder() {
    const char* folder = std::getenv("TMPDIR");
    const std::string chosen = folder != nullptr && *folder != '\0' ? folder : "/var/tmp";
    // The kernel names a loop device's file by its real path. One that does not exist is told of when it is
    // used.
    std::error_code error;
    const auto real = std::filesystem::canonical(chosen, error);
    return error ? chosen : real.string();
}

namespace {

Status check_need(const std::string& need, const std::string& cgroup, bool in_guest) {
    if (need == "guest") {
        return in_guest ? Status{}
                        : fail(ErrorKind::unsupported,
                               "the scenario presses on the memory of a whole machine: run it with --vm");
    }
    const std::string version = need.substr(need.rfind('_') + 1);
    return version == cgroup
               ? Status{}
               : fail(ErrorKind::unsupported,
                      fmt::format("the scenario is about a memory controller of cgroup {}, here it is {}: "
                                  "run it with --vm KERNEL --set vm.cgroup={}",
                                  version, cgroup, version));
}

Status check_needs(const mitigation::Row& row, const probe::MemoryCgroup& memory) {
    const auto& needs = row.needs;
    const auto missing = [&](const std::string& what) {
        return fail(ErrorKind::unsupported,
                    fmt::format("mitigation {}: {}", row.name, needs.why.empty() ? what : needs.why));
    };
    if (needs.sys_resource) {
        auto held = probe::capability(CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE");
        REFLUX_CHECK(held ? held : Status(fail(held.error().within("mitigation " + row.name))));
    }
    if (!needs.cgroup_version.empty() && needs.cgroup_version != memory.version) {
        return missing("it needs cgroup " + needs.cgroup_version);
    }
    for (const auto& file : needs.files) {
        if (::access(file.c_str(), F_OK) != 0) {
            return missing("there is no " + file);
        }
    }
    return {};
}

Status check_daemon(const scenario::Daemon& daemon) {
    if (!daemon.is_foreign()) {
        REFLUX_CHECK(daemon.engine == "uring" ? probe::native_io_workers() : Status{});
        return ::access(refluxd_path().c_str(), X_OK) == 0
                   ? Status{}
                   : fail(ErrorKind::unsupported,
                          refluxd_path() + " is missing: refluxd is built and installed beside reflux");
    }
    const auto program = daemon.command.substr(0, daemon.command.find(' '));
    return find_program(program) ? Status{}
                                 : fail(ErrorKind::unsupported,
                                        fmt::format("there is no program {}, which daemon.command starts: "
                                                    "install it",
                                                    program));
}

Status check_front_end(const scenario::Scenario& scenario) {
    const auto& name = scenario.stack.front_end;
    const auto* const front_end = stack::find_front_end(name);
    if (front_end == nullptr) {
        return fail(ErrorKind::unsupported, "this reflux has no front end " + name);
    }
    if (name == "fuse") {
        REFLUX_CHECK(probe::device("/dev/fuse", "load the module: modprobe fuse"));
    }
    for (const auto& modules : {front_end->modules, front_end->modules_of_up}) {
        for (const auto module : modules) {
            REFLUX_CHECK(stack::can_load_module(module));
        }
    }
    for (const auto program : front_end->programs) {
        if (!find_program(std::string(program))) {
            return fail(
                ErrorKind::unsupported,
                fmt::format("stack.front_end = {} runs {}, which is missing: install it", name, program));
        }
    }
    if (scenario.stack.map != "none") {
        REFLUX_CHECK(stack::can_load_module(scenario.stack.map));
    }
    return scenario::has_daemon(name) ? check_daemon(scenario.daemon) : Status{};
}

// What is an option of refluxd cannot be asked of another program.
Status check_foreign(const mitigation::Row& row) {
    return row.effect.daemon_arguments.empty() || row.mark_caller != nullptr
               ? Status{}
               : fail(ErrorKind::unsupported,
                      fmt::format("mitigation {}: it is an option of refluxd, and this daemon is another",
                                  row.name));
}

}  // namespace

Status check_requirements(const scenario::Scenario& scenario, const std::vector<mitigation::Row>& mitigations,
                          bool in_guest) {
    REFLUX_CHECK(probe::root());
    REFLUX_CHECK(probe::device("/dev/loop-control", "load the module: modprobe loop"));
    for (const auto& type : {scenario.stack.lower, scenario.stack.upper}) {
        REFLUX_CHECK(probe::filesystem(type));
        REFLUX_CHECK(probe::mkfs(type));
    }
    REFLUX_CHECK(check_front_end(scenario));
    REFLUX_TRY(const auto memory, probe::memory_cgroup());
    for (const auto& row : mitigations) {
        REFLUX_CHECK(check_needs(row, memory));
        REFLUX_CHECK(scenario.daemon.is_foreign() ? check_foreign(row) : Status{});
    }
    for (const auto& need : scenario.needs) {
        REFLUX_CHECK(check_need(need, memory.version, in_guest));
    }
    return {};
}

}  // namespace reflux::run
