// A sweep: families of stalls, each tried with every mitigation, as a TOML file tells it (NAME.sweep in a
// folder of search_path()):
//     mitigations = ["*", "io_flusher+own_cgroup"]   # "*": each by itself; '+' joins some
//     [v1-writeback]                                 # a family; the id begins its scenarios' names
//     title = "writeback wait, v1"
//     scenario = "fuse-ext4-shared-memcg"            # the baseline; its control is the one that it names
//     set = ["vm.cgroup=v1"]                         # optional, as --set
//     cures = ["own_cgroup"]                         # predictions: it completes with these,
//     leaves = ["mlock"]                             # and is troubled as without them with these
#pragma once

#include "backend/base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace reflux::scenario {

struct Family {
    std::string id;
    std::string title;
    std::string scenario;          // name of the scenario that stalls
    std::vector<std::string> set;  // "key=value"
    std::vector<std::string> cures;
    std::vector<std::string> leaves;
};

struct Sweep {
    std::vector<std::string> mitigations;
    std::vector<Family> families;  // in the order of the file
};

// invalid_input with FILE:LINE: an unknown key, a value of a wrong kind, something that is missing, a
// mitigation that is predicted to do both or is not among those of the sweep.
Result<Sweep> parse_sweep(std::string_view text, const std::string& file);

// Of every *.sweep in search_path(), sorted.
std::vector<std::string> sweep_names();
// The file of a sweep; "" when there is none of that name.
std::string find_sweep(const std::string& name);

}  // namespace reflux::scenario
