// The prototype kernel module (harness/mitigation/kernel) where a run needs it.
#pragma once

#include "harness/journal/journal.h"
#include "harness/mitigation/mitigation.h"
#include "harness/run/console.h"
#include "harness/scenario/scenario.h"

#include <string>
#include <vector>

namespace reflux::run {

bool needs_reclaim_module(const std::vector<mitigation::Row>& rows);
// The same by the scenario's names; those that do not exist are told of elsewhere.
bool needs_reclaim_module(const scenario::Scenario& scenario);

// Nothing when it is loaded already, whoever did it. Else loads the file `module`, journalled; unsupported
// when that is empty: nobody has allowed it, or refused by the kernel, with what its log says.
Status load_reclaim_module(const std::string& module, journal::Journal& journal, Console& console);

}  // namespace reflux::run
