// Who the daemon is, when it serves: its processes, its threads, and which of them do I/O. And how it ended.
#pragma once

#include "backend/base/child.h"
#include "harness/evidence/evidence.h"
#include "harness/pressure/memcg.h"
#include "harness/scenario/scenario.h"
#include "harness/stack/stack.h"

#include <optional>
#include <string>
#include <vector>

namespace reflux::run {

// Sets daemon_tids; of refluxd daemon_io_tids too, by its own word, and its control thread is spared by the
// memory limit; of another daemon its name. Bounded.
Status know_daemon(const stack::Stack& stack, const pressure::Memcg& memcg, evidence::Evidence& evidence);

// How a daemon ended that nobody had asked to: what its log (a file) says last, and whether it was the OOM
// killer's victim, by the kernel log of the run.
evidence::DaemonExit unexpected_end(const ExitStatus& exit, int pid, double at_s, const std::string& log,
                                    const std::vector<std::string>& kernel_log);

// The same of one that did not come to serve.
evidence::DaemonFailure failure_of(const stack::DaemonTrouble& it);
// Of a daemon that has ended after it served and before the workload began; `error` is what was seen of that,
// `log` its log's file. nullopt: it runs, or there is none.
std::optional<evidence::DaemonFailure> end_before_work(stack::Stack& stack, const scenario::Daemon& daemon,
                                                       const std::string& log, const Error& error);

}  // namespace reflux::run
