#include "harness/pressure/memcg.h"

#include "backend/base/kernel_file.h"

#include <sys/stat.h>

namespace reflux::pressure {
namespace {

bool exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

// v2 hands a controller to the children of a cgroup only where its parent says so.
Status enable_for_children(const std::string& cgroup) {
    return write_file(cgroup + "/cgroup.subtree_control", "+memory");
}

Status enable_in_root(const std::string& hierarchy, journal::Journal& journal) {
    const std::string control = hierarchy + "/cgroup.subtree_control";
    REFLUX_TRY(const auto enabled, read_file(control));
    for (const auto& controller : split(trimmed(enabled), ' ')) {
        if (controller == "memory") {
            return {};
        }
    }
    REFLUX_CHECK(journal.intend(journal::Kind::subtree_control, control));
    return enable_for_children(hierarchy);
}

Status make_cgroup(const std::string& path, journal::Journal& journal) {
    REFLUX_CHECK(journal.intend(journal::Kind::cgroup, path));
    if (::mkdir(path.c_str(), 0755) != 0) {
        return fail_errno("mkdir " + path);
    }
    return {};
}

Status make_parent(const std::string& path, Version version, journal::Journal& journal) {
    REFLUX_CHECK(make_cgroup(path, journal));
    if (version == Version::v2) {
        return enable_for_children(path);
    }
    // Before 5.11 a v1 limit holds for children only with this set; it is always 1 since.
    const std::string hierarchical = path + "/memory.use_hierarchy";
    if (const auto value = read_file(hierarchical); value && trimmed(*value) == "0") {
        return write_file(hierarchical, "1");
    }
    return {};
}

Status write_limit(const std::string& cgroup, Version version, const std::string& bytes) {
    return write_file(cgroup + (version == Version::v1 ? "/memory.limit_in_bytes" : "/memory.max"), bytes);
}

Status set_limit(const Limit& limit, Version version) {
    REFLUX_CHECK(write_limit(limit.cgroup, version, std::to_string(limit.bytes.value)));
    const std::string swap =
        limit.cgroup + (version == Version::v1 ? "/memory.swappiness" : "/memory.swap.max");
    return exists(swap) ? write_file(swap, "0") : Status{};
}

}  // namespace

Result<Memcg> make_memcg(const MemcgPlan& plan, journal::Journal& journal) {
    const std::string& folder = journal.folder();
    const std::string root =
        fmt::format("{}/reflux-{}", plan.hierarchy, folder.substr(folder.rfind('/') + 1));
    const auto procs = [](const std::string& cgroup) { return cgroup + "/cgroup.procs"; };
    if (plan.version == Version::v2) {
        REFLUX_CHECK(enable_in_root(plan.hierarchy, journal));
    }
    REFLUX_CHECK(make_parent(root, plan.version, journal));
    Memcg memcg;
    memcg.version = plan.version;
    memcg.pressed = root + "/pressed";
    memcg.helper_procs = procs(root + "/helpers");
    if (plan.version == Version::v1) {
        memcg.helper_tasks = root + "/helpers/tasks";
    }
    REFLUX_CHECK(make_cgroup(root + "/helpers", journal));
    const bool split_up = plan.daemon == DaemonPlace::sibling;
    REFLUX_CHECK(split_up ? make_parent(memcg.pressed, plan.version, journal)
                          : make_cgroup(memcg.pressed, journal));
    memcg.workload = memcg.pressed;
    std::string daemon = memcg.pressed;
    if (split_up) {
        memcg.workload += "/workload";
        daemon += "/daemon";
        REFLUX_CHECK(make_cgroup(memcg.workload, journal));
        REFLUX_CHECK(make_cgroup(daemon, journal));
    } else if (plan.daemon == DaemonPlace::apart) {
        daemon = root + "/apart";
        REFLUX_CHECK(make_cgroup(daemon, journal));
    }
    memcg.workload_procs = procs(memcg.workload);
    memcg.daemon_procs = procs(daemon);
    if (plan.limit) {
        memcg.limits.push_back({.cgroup = memcg.pressed, .bytes = *plan.limit});
    }
    if (plan.daemon_limit && daemon != memcg.pressed) {
        memcg.limits.push_back({.cgroup = daemon, .bytes = *plan.daemon_limit});
    }
    for (const auto& limit : memcg.limits) {
        REFLUX_CHECK(set_limit(limit, plan.version));
    }
    return memcg;
}

Status spare_control_thread(const Memcg& memcg, int tid) {
    return memcg.helper_tasks.empty() ? Status{} : write_file(memcg.helper_tasks, std::to_string(tid));
}

Status raise_limits(const Memcg& memcg, std::uint64_t factor) {
    for (const auto& limit : memcg.limits) {
        REFLUX_CHECK(write_limit(limit.cgroup, memcg.version, std::to_string(limit.bytes.value * factor)));
    }
    return {};
}

Status restore_limits(const Memcg& memcg) {
    for (const auto& limit : memcg.limits) {
        if (memcg.version == Version::v2) {
            REFLUX_TRY(const auto current, read_number(limit.cgroup + "/memory.current"));
            if (const Bytes used{current}; used > limit.bytes) {
                return fail(ErrorKind::unsupported,
                            fmt::format("{} are in use by now, and to lower memory.max below that calls the "
                                        "OOM killer",
                                        human(used)));
            }
        }
        REFLUX_CHECK(write_limit(limit.cgroup, memcg.version, std::to_string(limit.bytes.value)));
    }
    return {};
}

Status lift_limits(const Memcg& memcg) {
    for (const auto& limit : memcg.limits) {
        REFLUX_CHECK(write_limit(limit.cgroup, memcg.version, memcg.version == Version::v1 ? "-1" : "max"));
    }
    return {};
}

}  // namespace reflux::pressure
