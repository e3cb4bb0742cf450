#include "harness/run/victims.h"

#include "backend/base/child.h"
#include "backend/base/task_stat.h"
#include "harness/pressure/hog.h"

#include <algorithm>

#include <sys/syscall.h>
#include <unistd.h>

namespace reflux::run {
namespace {

bool contains(const std::vector<int>& pids, int pid) {
    return std::ranges::find(pids, pid) != pids.end();
}

std::string role_of(const std::string& name, int process, const observe::StackMembers& members) {
    return name == pressure::hog_name                 ? "hog"
           : contains(members.daemon_pids, process)   ? "daemon"
           : contains(members.workload_pids, process) ? "workload"
                                                      : "other";
}

}  // namespace

void VictimWatch::look(const std::vector<evidence::OomVictim>& found, const observe::StackMembers& members,
                       double now_s, std::vector<evidence::OomVictim>& record) {
    for (; known_ < found.size(); ++known_) {
        auto victim = found[known_];
        // The kernel names the thread that it found to have the memory.
        const int process = process_of("/proc", victim.pid).value_or(0);
        victim.role = role_of(victim.name, process == 0 ? victim.pid : process, members);
        UniqueFd pidfd(process == 0 ? -1 : static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
        if (pidfd) {
            living_.insert_or_assign(victim.pid, Living{.process = process, .pidfd = std::move(pidfd)});
        } else {
            victim.gone_s = now_s;
        }
        record.push_back(std::move(victim));
    }
    for (auto& victim : record) {
        // The newest of several of one number is the one that may live.
        if (!victim.gone_s && living_.contains(victim.pid)) {
            look_at(victim, now_s);
        }
        const auto told = std::ranges::find_if(
            found, [&](const auto& it) { return it.pid == victim.pid && it.at_s == victim.at_s; });
        if (told != found.end()) {
            victim.reaped_s = told->reaped_s;
        }
    }
}

void VictimWatch::look_at(evidence::OomVictim& victim, double now_s) {
    victim.seen_s = now_s;
    victim.stack.clear();
    victim.state = '?';
    const auto& living = living_.at(victim.pid);
    if (wait_readable(living.pidfd.get(), Seconds(0)).value_or(false)) {
        victim.gone_s = now_s;
        living_.erase(victim.pid);
        return;
    }
    const auto tasks = observe::sample_process("/proc", living.process, victim.role, true);
    if (!tasks || tasks->empty()) {
        return;
    }
    const auto blocked = std::ranges::find(*tasks, 'D', &evidence::TaskSample::state);
    const auto& shown = blocked != tasks->end() ? *blocked : tasks->front();
    victim.state = shown.state;
    victim.stack = shown.stack;
}

}  // namespace reflux::run
