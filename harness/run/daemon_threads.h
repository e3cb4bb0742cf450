// Who the daemon is, when it serves: its processes, its threads, and which of them do I/O.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/pressure/memcg.h"
#include "harness/stack/stack.h"

namespace reflux::run {

// Sets daemon_tids; of refluxd daemon_io_tids too, by its own word, and its control thread is spared by the
// memory limit; of another daemon its name. Bounded.
Status know_daemon(const stack::Stack& stack, const pressure::Memcg& memcg, evidence::Evidence& evidence);

}  // namespace reflux::run
