// What a foreign daemon is given by names that hold in one folder only.
#pragma once

#include "harness/scenario/scenario.h"

#include <string>
#include <string_view>

namespace reflux::run {

// The text of a shell's command line with each word made absolute that names a file relative to `folder`: so
// it means the same wherever it is run, in a guest too. A word counts if it holds a '/' or a '.', for a bare
// one may be an option's value; the first one without a '/' is looked up in PATH and stays. A folder
// that a shell would take apart changes nothing.
std::string with_files_of(std::string_view command, const std::string& folder);

// The daemon with its command, and the words behind the handler's name in its config, made so.
scenario::Daemon with_files_of(scenario::Daemon daemon, const std::string& folder);

}  // namespace reflux::run
