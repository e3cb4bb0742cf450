#include "tests/integration/support/inventory.h"

#include "backend/base/kernel_file.h"
#include "backend/base/mountinfo.h"
#include "backend/base/task_stat.h"
#include "tests/support/temporary_folder.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iterator>
#include <thread>

#include <sys/mount.h>
#include <unistd.h>

#include <fmt/format.h>

namespace reflux::test {
namespace {

std::vector<std::string> names_in(const std::string& folder) {
    return list_directory(folder).value_or(std::vector<std::string>{});
}

void add_mounts(Inventory& found) {
    for (const auto& mount : mounts().value_or(std::vector<Mount>{})) {
        found.insert(fmt::format("mount {} {} {}", mount.mount_point, mount.filesystem, mount.device));
    }
}

void add_loops(Inventory& found) {
    for (const auto& name : names_in("/sys/block")) {
        if (const auto backing = read_file(fmt::format("/sys/block/{}/loop/backing_file", name))) {
            found.insert(fmt::format("loop {} {}", name, trimmed(*backing)));
        }
    }
}

void add_cgroups(Inventory& found) {
    for (const auto& mount : mounts().value_or(std::vector<Mount>{})) {
        if (mount.filesystem.starts_with("cgroup")) {
            for (const auto& name : names_in(mount.mount_point)) {
                found.insert(fmt::format("cgroup {}/{}", mount.mount_point, name));
            }
        }
    }
}

// In the environment of this program, and so of what it starts: others may run reflux on this machine, too.
const std::string& mark() {
    static const std::string name = "REFLUX_TEST_PROGRAM";
    static const std::string text = fmt::format("{}={}", name, ::getpid());
    static const int set = ::setenv(name.c_str(), std::to_string(::getpid()).c_str(), 1);
    static_cast<void>(set);
    return text;
}

bool is_ours(const std::string& pid) {
    const auto environment = read_file(fmt::format("/proc/{}/environ", pid));
    return environment && environment->find(mark()) != std::string::npos;
}

void add_processes(Inventory& found) {
    for (const auto& pid : names_in("/proc")) {
        const auto stat = read_task_stat(fmt::format("/proc/{}/stat", pid));
        // One that has ended is no more than an entry that its parent, for orphans the first process, takes
        // away.
        if (stat && stat->state != 'Z' &&
            (stat->name.starts_with("reflux") || stat->name.starts_with("qemu-system")) && is_ours(pid)) {
            found.insert(fmt::format("process {} {} {}", pid, stat->name, stat->state));
        }
    }
}

// What mitigations write into the machine, where it is not as the kernel makes it: a loop device that
// somebody added meanwhile has its own.
void add_settings(Inventory& found) {
    const auto add = [&](const std::string& path, const std::string& usual) {
        const auto value = read_file(path);
        if (value && trimmed(*value) != usual) {
            found.insert(fmt::format("setting {} {}", path, trimmed(*value)));
        }
    };
    for (const auto& device : names_in("/sys/class/bdi")) {
        add(fmt::format("/sys/class/bdi/{}/max_ratio", device), "100");
        add(fmt::format("/sys/class/bdi/{}/strict_limit", device), "0");
    }
    add("/proc/sys/fs/fuse/default_request_timeout", "0");
}

// The folders of a pseudo filesystem that need not be mounted on this host.
void add_pseudo(Inventory& found, const std::string& type, const std::string& below) {
    const TemporaryFolder folder;
    if (::mount(type.c_str(), folder.path().c_str(), type.c_str(), 0, nullptr) != 0) {
        return;
    }
    for (const auto& name : names_in(folder.path() + below)) {
        found.insert(fmt::format("{}{}/{}", type, below, name));
    }
    ::umount2(folder.path().c_str(), MNT_DETACH);
}

}  // namespace

Inventory take_inventory() {
    static_cast<void>(mark());
    Inventory found;
    add_mounts(found);
    add_loops(found);
    add_cgroups(found);
    add_processes(found);
    add_settings(found);
    add_pseudo(found, "fusectl", "");
    add_pseudo(found, "tracefs", "/instances");
    for (const std::string folder : {"/var/tmp", "/run/reflux"}) {
        for (const auto& name : names_in(folder)) {
            found.insert(fmt::format("file {}/{}", folder, name));
        }
    }
    return found;
}

std::string left_behind(const Inventory& before) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (;;) {
        const Inventory now = take_inventory();
        Inventory left;
        std::set_symmetric_difference(now.begin(), now.end(), before.begin(), before.end(),
                                      std::inserter(left, left.end()));
        if (left.empty() || std::chrono::steady_clock::now() > end) {
            return fmt::format("{}", fmt::join(left, "\n"));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

}  // namespace reflux::test
