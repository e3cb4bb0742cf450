#include "harness/probe/probe.h"

#include "backend/base/mountinfo.h"
#include "harness/probe/kernel_features.h"
#include "harness/probe/machine.h"

#include <linux/capability.h>
#include <unistd.h>

namespace reflux::probe {
namespace {

const std::string machine;  // the root of the kernel's files: none, this machine's own

std::vector<Finding> needed_by_every_run(const std::vector<Mount>& mounts, const std::string& image_folder) {
    std::vector<Finding> findings{
        kernel(machine),
        memory(machine),
        disk_space(image_folder),
        finding_of("root", root(), "effective user is root"),
        finding_of("CAP_SYS_ADMIN", capability(CAP_SYS_ADMIN, "CAP_SYS_ADMIN"), "held"),
        finding_of("CAP_SYS_RESOURCE", capability(CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE"),
                   "held; PR_SET_IO_FLUSHER can be set"),
        memory_controller(machine, mounts),
        finding_of("/dev/loop-control", device("/dev/loop-control", "load the module: modprobe loop"),
                   "opens"),
        loop_devices(machine),
        finding_of("/dev/fuse", device("/dev/fuse", "load the module: modprobe fuse"), "opens"),
    };
    for (const char* type : {"ext4", "xfs", "btrfs"}) {
        findings.push_back(finding_of(type, filesystem(type), "built in or a module",
                                      "use a kernel that has it, or scenarios without it"));
        findings.push_back(finding_of(fmt::format("mkfs.{}", type), mkfs(type), "found"));
    }
    return findings;
}

}  // namespace

std::vector<Finding> probe(const std::string& image_folder) {
    // Without /proc the questions that need the mounts answer for themselves.
    const std::vector<Mount> all_mounts = mounts().value_or(std::vector<Mount>{});
    std::vector<Finding> findings = needed_by_every_run(all_mounts, image_folder);
    const std::vector<Finding> more{
        task_stacks(machine),
        trace_events(machine, all_mounts),
        pressure_stall_information(machine),
        fuse_connections(machine, all_mounts),
        module(machine, "dm-zoned", "zoned stacks with dm-zoned"),
        module(machine, "target_core_user", "TCMU stacks"),
        module(machine, "tcm_loop", "TCMU stacks"),
        module(machine, "ublk_drv", "ublk stacks"),
        finding_of("/dev/kvm", device("/dev/kvm", "virtual machines then run emulated, and slowly"),
                   "opens; whether a guest boots in it is seen by booting one"),
    };
    findings.insert(findings.end(), more.begin(), more.end());
    return findings;
}

}  // namespace reflux::probe
