// The table of mitigations: what each is, what it changes, what it needs, and how it is read back from the
// running daemon. Nothing is on by default; a mitigation that cannot be read back from every thread was not
// applied.
#pragma once

#include "backend/base/result.h"
#include "harness/evidence/evidence.h"

#include <string>
#include <vector>

namespace reflux::mitigation {

// What a mitigation changes in the plan of a run.
struct Effect {
    std::vector<std::string> daemon_arguments;  // added to `refluxd serve`
    bool daemon_apart = false;                  // the daemon gets a memory cgroup without the limit
};

// The running daemon, as a read-back looks at it.
struct Daemon {
    std::string proc = "/proc";
    int pid = 0;
    std::string pressed_cgroup;  // path of the cgroup with the limit
};

struct Row {
    std::string name;
    std::string description;
    bool needs_sys_resource = false;  // CAP_SYS_RESOURCE
    Effect effect;
    evidence::Mitigation (*read_back)(const Row&, const Daemon&) = nullptr;
    // Marks the calling, single-threaded process so that a program that it becomes keeps the mark; null: the
    // mitigation is no property of a process.
    Status (*mark_caller)() = nullptr;
};

const std::vector<Row>& table();

// The row of a name; the error lists the names there are.
Result<Row> find(const std::string& name);
// The same among those that any program can be started with.
Result<Row> find_for_programs(const std::string& name);

}  // namespace reflux::mitigation
