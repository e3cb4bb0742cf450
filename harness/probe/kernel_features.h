// What the kernel offers, read from its files under `root` ("" for this machine; tests give a folder that
// holds a copy). No function here writes.
#pragma once

#include "backend/base/mountinfo.h"
#include "harness/probe/finding.h"

#include <string>
#include <vector>

namespace reflux::probe {

// Release and version of the running kernel.
Finding kernel(const std::string& root);
// Memory in all and available. A run needs memory beyond its memcg for the page cache of the stack's images.
Finding memory(const std::string& root);
// Kernel stacks of tasks (CONFIG_STACKTRACE and the right to read them), by the caller's own.
Finding task_stacks(const std::string& root);
// Pressure stall information of memory.
Finding pressure_stall_information(const std::string& root);
// The filesystem of FUSE connections, by which a hung one is aborted.
Finding fuse_connections(const std::string& root, const std::vector<Mount>& mounts);
// tracefs, mounted or mountable, and the reclaim tracepoints where it is mounted.
Finding trace_events(const std::string& root, const std::vector<Mount>& mounts);
// The memory controller that a run would use, and whether children can be made in it.
Finding memory_controller(const std::string& root, const std::vector<Mount>& mounts);
// Loop devices in use. That more can be had is the question whether /dev/loop-control opens.
Finding loop_devices(const std::string& root);
// A kernel module by its file name without .ko ("dm-zoned"): loaded, built in, or there to be loaded.
// `purpose` says what for.
Finding module(const std::string& root, const std::string& name, const std::string& purpose);
// One of the kernel or of a module that is loaded, by /proc/kallsyms.
bool kernel_has_function(const std::string& root, const std::string& name);
// Free space of the filesystem of a folder, against what a run writes there.
Finding disk_space(const std::string& folder);

}  // namespace reflux::probe
