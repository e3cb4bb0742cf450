#include "harness/probe/kernel_features.h"

#include "backend/base/kernel_file.h"
#include "backend/base/meminfo.h"
#include "backend/base/units.h"
#include "harness/probe/memory_cgroup.h"

#include <algorithm>
#include <array>
#include <optional>

#include <sys/statvfs.h>
#include <unistd.h>

namespace reflux::probe {
namespace {

// The default lower image; it is sparse, but a run may fill it.
constexpr Bytes image_size = mebibytes(1536);
// Below this the page cache of the stack itself is short, and a control run no longer shows a machine without
// pressure.
constexpr Bytes least_memory = gibibytes(1);

Finding yes(std::string name, std::string detail) {
    return {.name = std::move(name), .available = true, .detail = std::move(detail), .hint = ""};
}

Finding no(std::string name, std::string detail, std::string hint) {
    return {
        .name = std::move(name), .available = false, .detail = std::move(detail), .hint = std::move(hint)};
}

bool exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

std::optional<std::string> mount_point_of(const std::vector<Mount>& mounts, const std::string& filesystem) {
    // The newest mount hides older ones.
    const auto found = std::find_if(mounts.rbegin(), mounts.rend(),
                                    [&](const Mount& mount) { return mount.filesystem == filesystem; });
    return found == mounts.rend() ? std::nullopt : std::optional(found->mount_point);
}

bool kernel_knows_filesystem(const std::string& root, const std::string& type) {
    const auto text = read_file(root + "/proc/filesystems");
    if (!text) {
        return false;
    }
    const auto lines = lines_of(*text);
    return std::any_of(lines.begin(), lines.end(),
                       [&](const std::string& line) { return line.substr(line.rfind('\t') + 1) == type; });
}

std::string kernel_release(const std::string& root) {
    const auto text = read_file(root + "/proc/sys/kernel/osrelease");
    return text ? trimmed(*text) : "";
}

// modules.dep and modules.builtin hold "kernel/drivers/md/dm-zoned.ko.xz: …", one module a line.
bool lists_module(const std::string& list, const std::string& name) {
    const auto text = read_file(list);
    return text && text->find("/" + name + ".ko") != std::string::npos;
}

}  // namespace

Finding kernel(const std::string& root) {
    const auto version = read_file(root + "/proc/sys/kernel/version");
    const std::string release = kernel_release(root);
    if (release.empty() || !version) {
        return no("kernel", "no /proc/sys/kernel/osrelease", "mount proc on /proc");
    }
    return yes("kernel", fmt::format("{} ({})", release, trimmed(*version)));
}

Finding memory(const std::string& root) {
    const auto text = read_file(root + "/proc/meminfo");
    const auto total = text ? meminfo_field(*text, "MemTotal") : std::nullopt;
    const auto free = text ? meminfo_field(*text, "MemAvailable") : std::nullopt;
    if (!total || !free) {
        return no("memory", "no MemTotal and MemAvailable in /proc/meminfo", "mount proc on /proc");
    }
    const std::string detail = fmt::format("{}, {} available", human(*total), human(*free));
    if (*free < least_memory) {
        return no("memory", detail,
                  fmt::format("give the machine {} more, or expect slow controls", human(least_memory)));
    }
    return yes("memory", detail);
}

Finding task_stacks(const std::string& root) {
    const auto text = read_file(root + "/proc/self/stack");
    if (!text) {
        return no("kernel stacks", text.error().message, "run as root, on a kernel with CONFIG_STACKTRACE");
    }
    if (trimmed(*text).empty()) {
        return no("kernel stacks", "/proc/self/stack is empty",
                  "needs CAP_SYS_ADMIN in the first user namespace");
    }
    return yes("kernel stacks", "/proc/PID/stack can be read");
}

Finding pressure_stall_information(const std::string& root) {
    const std::string name = "pressure stalls (PSI)";
    const auto text = read_file(root + "/proc/pressure/memory");
    if (!text) {
        return no(name, text.error().message,
                  "boot with psi=1, on a kernel with CONFIG_PSI; runs do without");
    }
    return yes(name, "/proc/pressure/memory");
}

Finding fuse_connections(const std::string& root, const std::vector<Mount>& mounts) {
    const std::string name = "fusectl";
    if (const auto point = mount_point_of(mounts, "fusectl")) {
        return yes(name, "mounted on " + *point);
    }
    if (kernel_knows_filesystem(root, "fusectl")) {
        return yes(name, "not mounted; a run mounts one of its own");
    }
    return no(name, "not mounted, and not in /proc/filesystems", "load the module: modprobe fuse");
}

Finding trace_events(const std::string& root, const std::vector<Mount>& mounts) {
    const std::string name = "tracefs";
    const auto point = mount_point_of(mounts, "tracefs");
    if (!point) {
        if (kernel_knows_filesystem(root, "tracefs")) {
            return yes(name, "not mounted; a run mounts one of its own");
        }
        return no(name, "not mounted, and not in /proc/filesystems",
                  "needs a kernel with CONFIG_TRACING; without it recursion is judged from stacks alone");
    }
    const std::string events = root + *point + "/events";
    if (!exists(events)) {
        return no(name, fmt::format("mounted on {}, but {}/events cannot be seen", *point, *point),
                  "run as root");
    }
    // folio_wait_writeback was wait_on_page_writeback before 5.18.
    constexpr std::array wanted{"/vmscan/mm_vmscan_direct_reclaim_begin",
                                "/vmscan/mm_vmscan_memcg_reclaim_begin", "/vmscan/mm_shrink_slab_start",
                                "/writeback/balance_dirty_pages"};
    std::vector<std::string> missing;
    for (const char* event : wanted) {
        if (!exists(events + event)) {
            missing.emplace_back(event + 1);
        }
    }
    if (!exists(events + "/writeback/folio_wait_writeback") &&
        !exists(events + "/writeback/wait_on_page_writeback")) {
        missing.emplace_back("writeback/folio_wait_writeback");
    }
    if (!missing.empty()) {
        return no(
            name, fmt::format("mounted on {}, without {}", *point, fmt::join(missing, ", ")),
            "needs a kernel with these tracepoints; without them recursion is judged from stacks alone");
    }
    return yes(name, fmt::format("mounted on {}, with the tracepoints of reclaim and writeback", *point));
}

Finding memory_controller(const std::string& root, const std::vector<Mount>& mounts) {
    const std::string name = "memory cgroup";
    std::vector<Mount> under_root = mounts;
    for (Mount& mount : under_root) {
        mount.mount_point.insert(0, root);
    }
    const auto found = memory_cgroup(under_root);
    if (!found) {
        return finding_of(name, fail(found.error()), "");
    }
    const std::string shown = found->hierarchy.substr(root.size());
    if (::access(found->hierarchy.c_str(), W_OK) != 0) {
        return no(name,
                  fmt::format("{} on {}, but {}", found->version, shown, system_error("no child").message),
                  "run as root, with the cgroup filesystem mounted read-write");
    }
    return yes(name, fmt::format("{} on {}, children can be made", found->version, shown));
}

Finding loop_devices(const std::string& root) {
    const std::string name = "loop devices";
    const auto devices = list_directory(root + "/sys/block");
    if (!devices) {
        return no(name, devices.error().message, "mount sysfs on /sys");
    }
    std::size_t all = 0;
    std::size_t used = 0;
    for (const std::string& device : *devices) {
        if (device.starts_with("loop")) {
            ++all;
            used += exists(fmt::format("{}/sys/block/{}/loop/backing_file", root, device)) ? 1U : 0U;
        }
    }
    return yes(name, fmt::format("{} of {} in use, more are made on demand", used, all));
}

Finding module(const std::string& root, const std::string& name, const std::string& purpose) {
    std::string loaded_name = name;
    std::replace(loaded_name.begin(), loaded_name.end(), '-', '_');
    if (exists(root + "/sys/module/" + loaded_name)) {
        return yes(name, "loaded or built in; " + purpose);
    }
    const std::string release = kernel_release(root);
    const std::string folder = root + "/lib/modules/" + release;
    if (lists_module(folder + "/modules.builtin", name)) {
        return yes(name, "built in; " + purpose);
    }
    if (lists_module(folder + "/modules.dep", name)) {
        return yes(name, "a module, not loaded; " + purpose);
    }
    return no(name,
              exists(folder) ? fmt::format("not among the modules of {}", release)
                             : fmt::format("not built in, and there is no /lib/modules/{}", release),
              fmt::format("{}: use a distribution's kernel, in a virtual machine if not here", purpose));
}

Finding disk_space(const std::string& folder) {
    const std::string name = "disk space";
    struct statvfs status {};
    if (::statvfs(folder.c_str(), &status) != 0) {
        return no(name, system_error("statvfs " + folder).message, "set TMPDIR to a folder on a local disk");
    }
    const Bytes free{std::uint64_t{status.f_bavail} * status.f_frsize};
    const std::string detail = fmt::format("{} free in {}", human(free), folder);
    if (free < image_size) {
        return no(name, detail,
                  fmt::format("a run may write {}: set TMPDIR to a folder with more", human(image_size)));
    }
    return yes(name, detail);
}

bool kernel_has_function(const std::string& root, const std::string& name) {
    // "ffffffff81000000 T NAME", and behind it "\t[MODULE]"
    const auto text = read_file(root + "/proc/kallsyms");
    return text && (text->find(" " + name + "\n") != std::string::npos ||
                    text->find(" " + name + "\t") != std::string::npos);
}

}  // namespace reflux::probe
