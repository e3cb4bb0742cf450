// The threads of a running process.
#pragma once

#include "backend/base/result.h"
#include "backend/base/task_stat.h"

#include <cstdint>
#include <string>
#include <vector>

namespace reflux::mitigation {

struct Process {
    int pid = 0;  // number of its main thread
    std::vector<ThreadStat> threads;
    // The numbers are those of the first pid namespace, as the kernel writes them into the names of
    // io_uring's threads.
    bool first_pid_namespace = false;
    std::uint64_t ticks_per_second = 100;  // of TaskStat::start_time
};

// `id`: of the process or of one of its threads. unsupported when there is no such process, when it ends
// meanwhile, or when it must not be read.
Result<Process> read_process(const std::string& proc, int id);

}  // namespace reflux::mitigation
