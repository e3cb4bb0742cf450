// Records of /dev/kmsg.
#include "harness/observe/kernel_log.h"

#include "harness/observe/incidents.h"
#include "tests/fuzz/support/target.h"

namespace reflux::fuzz {
namespace {

bool run(std::string_view input) {
    observe::speaks_of_trouble(input);
    const auto record = observe::parse_kernel_log_record(input);
    if (!record) {
        return false;
    }
    require(record->level >= 0 && record->level <= 7, "the kernel has eight levels");
    require(record->time_s >= 0, "the log begins with the boot");
    require(record->text.find('\n') == std::string::npos, "a record is one line");
    // Twice, for a report of lockdep goes over many records.
    observe::Incidents incidents;
    incidents.take(record->text, 1);
    incidents.take(record->text, 2);
    for (const auto& victim : incidents.victims()) {
        require(victim.pid > 0 && victim.at_s >= 1, "a victim is a process");
    }
    for (const auto& report : incidents.lock_reports()) {
        require(!report.kind.empty(), "a report has a heading");
    }
    return true;
}

}  // namespace

Target make_target() {
    return {
        .run = run,
        .seeds =
            {"3,1339,5140900,-;EXT4-fs error (device loop1): ext4_find_entry:1; x\n SUBSYSTEM=block\n "
             "DEVICE=b7:1\n",
             "12,1,2,-,caller=T1;INFO: systemd\n",
             "3,9,9,-;Memory cgroup out of memory: Killed process 254 (refluxd-io) total-vm:82608kB, "
             "anon-rss:1100kB\n",
             "6,9,9,-;oom_reaper: reaped process 254 (refluxd-io), now anon-rss:0kB\n",
             "4,9,9,-;WARNING: possible recursive locking detected\\x0aa/1 is trying to acquire "
             "lock:\\x0affff (&x->lock){+.+.}, at: f\n",
             "1,9,9,-;XFS: rm(7) possible memory allocation deadlock size 65624 in kmem_alloc (mode:0x250)\n",
             "6,901,15004001,c;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/\n"},
        .words = {",", ";", ",-;", "EXT4-fs error", "XFS (", "BTRFS error", "I/O error", "INFO: task ",
                  " blocked for more than ", "Out of memory", "WARNING: ", "\\x0a", "){",
                  " takes:", "Killed process ", ") total-vm:"}};
}

}  // namespace reflux::fuzz
