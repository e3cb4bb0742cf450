// The verbs of the command line other than `run`.
#pragma once

#include "harness/run/exit_status.h"

#include <string>
#include <vector>

namespace reflux::run {

ExitCode probe_verb();
// `what`: "scenarios", "mitigations", "faults", "engines", "front-ends", "keys", or empty for all.
ExitCode list_verb(const std::string& what);
// Files or names; none: every scenario in the search path.
ExitCode check_verb(const std::vector<std::string>& files);
// `text`: the whole of it, of which a run's verdict.txt is the short form.
enum class ExplainAs { text, json, dot };
ExitCode explain_verb(const std::string& folder, ExplainAs form);
ExitCode clean_verb();

}  // namespace reflux::run
