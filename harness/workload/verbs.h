// Bodies of the hidden command line verbs by which the harness starts itself again on the mount under test.
#pragma once

#include "harness/workload/verifier.h"

#include <string>

namespace reflux::workload {

// `fd`: the SharedState's descriptor, inherited. Both return the exit status; errors are printed on stderr.
// 0: all workers did their share or reached the time limit; 1: a worker failed; 4: could not be run.
int workload_verb(int fd, const std::string& directory);
// 0: verified; 1: something is wrong; 4: could not be checked. The report travels in the shared region.
int verify_verb(int fd, const std::string& directory, std::string_view mode);

}  // namespace reflux::workload
