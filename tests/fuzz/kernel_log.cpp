// Records of /dev/kmsg.
#include "harness/observe/kernel_log.h"

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
    return true;
}

}  // namespace

Target make_target() {
    return {
        .run = run,
        .seeds = {"3,1339,5140900,-;EXT4-fs error (device loop1): ext4_find_entry:1; x\n SUBSYSTEM=block\n "
                  "DEVICE=b7:1\n",
                  "12,1,2,-,caller=T1;INFO: systemd\n",
                  "6,901,15004001,c;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/\n"},
        .words = {",", ";", ",-;", "EXT4-fs error", "XFS (", "BTRFS error", "I/O error", "INFO: task ",
                  " blocked for more than ", "Out of memory", "WARNING: "}};
}

}  // namespace reflux::fuzz
