// Counters of progress and of memory, from sysfs, cgroupfs and proc. Each call opens, reads and closes one or
// two small files of the kernel's own; none of them waits for the device, the filesystem or the daemon.
#pragma once

#include "backend/base/result.h"

#include <cstdint>
#include <optional>
#include <string>

namespace reflux::observe {

struct BlockCounters {
    std::uint64_t completed = 0;  // reads, writes, discards and flushes since the device was made
    std::uint64_t in_flight = 0;  // accepted and not completed
    std::uint64_t bytes = 0;      // of the reads and writes that completed
};
// `sys_root` is "/sys"; `number` is "7:1". Documentation/block/stat.rst
Result<BlockCounters> block_counters(const std::string& sys_root, const std::string& number);

// The bdi name of the btrfs on a block device ("loop1"), "btrfs-2", by which its flusher and writeback events
// go; nullopt: there is no mounted btrfs on it. `sys_root` is "/sys".
std::optional<std::string> btrfs_bdi_name(const std::string& sys_root, const std::string& block_name);

// Requests that the daemon owes or that wait in the kernel; `connection_dir` is "/sys/fs/fuse/connections/N".
Result<std::uint64_t> fuse_waiting(const std::string& connection_dir);

// Bytes charged to a cgroup: memory.current (v2) or memory.usage_in_bytes (v1).
Result<std::uint64_t> memory_usage(const std::string& cgroup_dir);

// Processes that the OOM killer took out of the cgroup `tree` and all below it, since they were made, by
// whatever shortage: memory.events.local (v2, 5.2) or oom_kill in memory.oom_control (v1, 4.13). unsupported
// where the kernel does not count them.
Result<std::uint64_t> cgroup_oom_kills(const std::string& tree);
// Of the whole machine since its boot: oom_kill in vmstat (4.13). `proc_root` is "/proc".
Result<std::uint64_t> machine_oom_kills(const std::string& proc_root);

// Of the whole machine.
struct MachineMemory {
    std::uint64_t free_bytes = 0;
    std::uint64_t slab_reclaimable_bytes = 0;
    std::optional<std::uint64_t> swap_free_bytes;  // nullopt: there is no swap
};
// From `proc_root`/meminfo.
Result<MachineMemory> machine_memory(const std::string& proc_root);

struct MemoryPressure {
    double some_avg10 = 0;  // percent of the last 10 s in which some task waited for memory
    double full_avg10 = 0;  // and in which all did
};
// memory.pressure of the cgroup where there is one, else the machine's (`proc_root`/pressure/memory); nullopt
// where the kernel has none or has it off (it then answers EOPNOTSUPP).
Result<std::optional<MemoryPressure>> memory_pressure(const std::string& cgroup_dir,
                                                      const std::string& proc_root);

}  // namespace reflux::observe
