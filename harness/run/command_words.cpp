#include "harness/run/command_words.h"

#include "backend/base/kernel_file.h"
#include "harness/mitigation/mitigation.h"
#include "harness/run/matrix_cells.h"
#include "harness/run/scenarios.h"
#include "harness/scenario/keys.h"
#include "harness/scenario/load.h"
#include "harness/scenario/sweep.h"
#include "harness/vm/kernel.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <set>

namespace reflux::run {
namespace {

using Words = std::vector<std::string>;

// Names, and files where something is typed that is no name: a .toml of one's own.
Words scenario_words(const std::string& typed) {
    Words words = scenario::names();
    if (typed.find_first_of("/.") != std::string::npos) {
        words.emplace_back(":files");
    }
    const auto plus = typed.rfind('+');
    if (plus == std::string::npos) {
        return words;
    }
    Words names;
    std::ranges::transform(mitigation::table(), std::back_inserter(names), &mitigation::Row::name);
    for (auto& name : names) {
        name.insert(0, typed.substr(0, plus + 1));
    }
    return names;
}

Words scenarios_of_a_batch(const std::string& typed) {
    Words words = scenario_words(typed);
    words.emplace_back(all_scenarios);
    return words;
}

Words scenarios_of_a_matrix(const std::string& typed) {
    Words words = scenarios_of_a_batch(typed);
    std::ranges::move(scenario::sweep_names(), std::back_inserter(words));
    return words;
}

Words mitigation_words(const std::string& typed) {
    Words names;
    std::ranges::transform(mitigation::table(), std::back_inserter(names), &mitigation::Row::name);
    return in_list(typed, '+', names);
}

// Those that are here: to ask for those that can be had takes a network and seconds.
Words kernel_words(const std::string& /*typed*/) {
    Words words{"running"};
    std::set<std::string> series;
    for (const auto& kernel : vm::cached_kernels(vm::default_cache())) {
        series.insert(vm::series_of(kernel.release));
        words.push_back(kernel.release);
    }
    words.insert(words.begin(), series.begin(), series.end());
    return words;
}

Words kernel_list_words(const std::string& typed) {
    Words words = kernel_words(typed);
    words.emplace_back(host_kernel);
    return in_list(typed, ',', words);
}

Words key_words(const std::string& /*typed*/) {
    Words words;
    for (const auto& key : scenario::keys()) {
        if (key.use == scenario::KeyUse::ordinary) {
            words.push_back(key.path + "=");
        }
    }
    return words;
}

Words process_words(const std::string& /*typed*/) {
    Words words = list_directory("/proc").value_or(Words{});
    std::erase_if(words, [](const std::string& name) {
        return name.find_first_not_of("0123456789") != std::string::npos;
    });
    return words;
}

Words folders(const std::string& /*typed*/) {
    return {":folders"};
}
Words programs(const std::string& /*typed*/) {
    return {":programs"};
}
// A number, or something that only its user knows.
Words nothing(const std::string& /*typed*/) {
    return {};
}

// A value of a verb; "" is of any.
struct Row {
    std::string_view verb;
    std::string_view option;
    Words (*words)(const std::string& typed);
};
constexpr std::array rows{
    Row{"run", "scenario", scenarios_of_a_batch},
    Row{"matrix", "scenario", scenarios_of_a_matrix},
    Row{"", "--set", key_words},
    Row{"", "--mitigation", mitigation_words},
    Row{"", "--kernels", kernel_list_words},
    Row{"", "--vm", kernel_words},
    Row{"vm fetch", "kernel", kernel_words},
    Row{"vm shell", "kernel", kernel_words},
    Row{"check", "file", scenario_words},
    Row{"explain", "run_folder", folders},
    Row{"report", "folder", folders},
    Row{"run", "--out", folders},
    Row{"matrix", "--out", folders},
    Row{"audit", "pid", process_words},
    Row{"exec", "command", programs},
    Row{"", "--repeat", nothing},
    Row{"", "--jobs", nothing},
    Row{"", "--shard", nothing},
    Row{"", "--families", nothing},
    Row{"", "--only", nothing},
    Row{"", "--except", nothing},
    Row{"", "--memory", nothing},
    Row{"", "--cpus", nothing},
};

std::optional<Words> values(const std::string& verb, const std::string& option, const std::string& typed) {
    const auto* const row = std::ranges::find_if(
        rows, [&](const Row& one) { return (one.verb.empty() || one.verb == verb) && one.option == option; });
    return row == rows.end() ? std::nullopt : std::optional(row->words(typed));
}

}  // namespace

CommandWords command_words() {
    return {
        .version = REFLUX_VERSION,
        .sections =
            {{"ENVIRONMENT",
              {{"REFLUX_SCENARIOS",
                "folders, separated by colons, that are searched for scenarios before those that reflux "
                "brings"},
               {"REFLUX_CACHE",
                "where kernels for virtual machines are kept; by default ~/.cache/reflux, as "
                "XDG_CACHE_HOME says"},
               {"REFLUX_STATE", "where it is written what a run has made, for `reflux clean`"},
               {"REFLUX_DEBIAN_MIRROR, REFLUX_DEBIAN_SECURITY_MIRROR",
                "where kernels are downloaded from; by default what apt's sources name"},
               {"TMPDIR", "where a run makes the image of its lower filesystem; by default /var/tmp"}}},
             {"FILES",
              {{"OUT/SCENARIO-TIME-N/",
                "the folder of a run: the scenario as run, evidence.json, verdict.json, verdict.txt, "
                "repro.sh, "
                "and after a stall stacks.txt and wait-graph.dot"}}},
             {"SEE ALSO", {{"", "refluxd(1), prctl(2) for PR_SET_IO_FLUSHER, cgroups(7)"}}}},
        .values = values,
    };
}

}  // namespace reflux::run
