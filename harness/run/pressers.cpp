#include "harness/run/pressers.h"

#include "backend/base/kernel_file.h"
#include "backend/base/mountinfo.h"

#include <algorithm>
#include <span>

#include <signal.h>

namespace reflux::run {
namespace {

constexpr unsigned most_hogs = 50;
constexpr Seconds end_time{1};

// SIGKILL, and a moment to end.
void end(Child& child) {
    if (child.pid > 0) {
        static_cast<void>(send_signal(child, SIGKILL));
        static_cast<void>(wait_for(child, end_time));
    }
}

}  // namespace

Result<pressure::IoController> io_controller(const pressure::Memcg& memcg) {
    REFLUX_TRY(const auto all, mounts());
    const bool v2 = memcg.version == pressure::Version::v2;
    for (const auto& mount : all) {
        const auto options = split(mount.super_options, ',');
        const bool blkio =
            mount.filesystem == "cgroup" && std::ranges::find(options, "blkio") != options.end();
        if (v2 ? mount.filesystem == "cgroup2" && memcg.pressed.starts_with(mount.mount_point + "/")
               : blkio) {
            return pressure::IoController{.version = memcg.version, .hierarchy = mount.mount_point};
        }
    }
    return fail(ErrorKind::unsupported,
                "the scenario makes io cgroups, and no v1 hierarchy with blkio is mounted: run it with --vm "
                "KERNEL --set vm.cgroup=v2, or mount -t cgroup -o blkio blkio DIRECTORY");
}

Status Pressers::make(journal::Journal& journal) {
    if (wanted_.io_cgroups == 0) {
        return {};
    }
    REFLUX_TRY(const auto controller, io_controller(memcg_));
    REFLUX_TRY(io_cgroups_, pressure::IoCgroups::make({.controller = controller,
                                                       .policies = wanted_.io_policies,
                                                       .rate = wanted_.io_cgroups,
                                                       .device = stack_.upper_device.path,
                                                       .number = stack_.upper_device.number},
                                                      memcg_, journal));
    return {};
}

Result<std::string> Pressers::start_hog() {
    const bool limited = wanted_.hog_place == "limited";
    REFLUX_TRY(hog_,
               pressure::Hog::start({.size = *wanted_.hog,
                                     .until_swap_full = wanted_.hog_until == "swap_full",
                                     .sync = wanted_.hog_does == "sync" ? stack_.upper_mount : std::string(),
                                     .cgroup_procs = limited ? memcg_.workload_procs : memcg_.helper_procs}));
    ++record_.started;
    return fmt::format("hog {} of {}: pid {}", record_.started, to_string(*wanted_.hog), hog_->child().pid);
}

bool Pressers::look_at_hog() {
    record_.most_taken_bytes = std::max(record_.most_taken_bytes, hog_->taken().value);
    const int pid = hog_->child().pid;
    const auto exit = reap(hog_->child());
    if (!exit || !*exit) {
        return false;
    }
    ends_.push_back({.pid = pid, .exit = **exit});
    past_syncs_ += hog_->syncs();
    hog_.reset();
    return true;
}

Result<std::string> Pressers::tick(Bytes written, double now_s) {
    if (!started_ && written >= wanted_.after) {
        started_ = true;
        if (io_cgroups_) {
            REFLUX_CHECK(io_cgroups_->start());
        }
        if (wanted_.hog) {
            record_.began_s = now_s;
            return start_hog();
        }
    } else if (hog_ && look_at_hog() && record_.started < most_hogs && ends_.back().exit.signal != 0) {
        return start_hog();
    }
    return std::string();
}

void Pressers::keep(evidence::Evidence& evidence) {
    if (io_cgroups_) {
        evidence.io_cgroups = io_cgroups_->figures();
    }
    if (!wanted_.hog) {
        return;
    }
    record_.asked_bytes = wanted_.hog->value;
    record_.place = wanted_.hog_place;
    record_.at_work = hog_ && !look_at_hog();
    if (wanted_.hog_does == "sync") {
        record_.syncs = past_syncs_ + (hog_ ? hog_->syncs() : 0);
    }
    evidence.hog = record_;
    count_ends(ends_, evidence, *evidence.hog);
}

void count_ends(const std::vector<HogEnd>& ends, const evidence::Evidence& seen, evidence::Hog& record) {
    const auto is_named = [&](int pid) {
        return std::ranges::any_of(seen.oom_victims, [pid](const evidence::OomVictim& victim) {
            return victim.pid == pid || victim.role == "hog";  // in a container the log has other numbers
        });
    };
    std::uint64_t untold = 0;  // victims of which there is only a count
    if (seen.oom_victims.empty() && seen.cost) {
        untold = std::max(seen.cost->oom_kills.value_or(0), seen.cost->machine_oom_kills.value_or(0));
    }
    for (const HogEnd& end : ends) {
        const bool killed = end.exit.signal == SIGKILL;
        if (killed && (is_named(end.pid) || untold > 0)) {
            ++record.oom_killed;
            untold -= untold > 0 ? 1 : 0;
        } else if (record.failed++ == 0) {
            record.first_failure = to_string(end.exit);
        }
    }
}

void Pressers::stop() {
    if (stopped_) {
        return;
    }
    stopped_ = true;
    if (hog_) {
        end(hog_->child());
    }
    for (Child& child : io_cgroups_ ? std::span(io_cgroups_->children()) : std::span<Child>()) {
        end(child);
    }
}

}  // namespace reflux::run
