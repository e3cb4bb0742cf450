// Scenario files: finding, reading and checking them. TOML; a key that is not known, a value out of range or
// of the wrong type or unit is an error with file, line and what would be right.
#pragma once

#include "backend/base/result.h"
#include "harness/scenario/scenario.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::scenario {

// "key=value" of --set, with the same keys and checks as the file: "memcg.limit=128MiB", "stack.upper=xfs".
struct Override {
    std::string key;
    std::string value;
};
Result<Override> parse_override(std::string_view text);

// Reads one file. `base = "NAME"` in it takes every key that it does not set itself from NAME.toml beside it,
// but for what tells of that file alone: question, because, status, tried.
Result<Scenario> load_file(const std::string& path, const std::vector<Override>& overrides = {});

// The same without a file system: `text` is that of `path`, `read` gives that of the file which its `base`
// names.
using FileReader = std::function<Result<std::string>(const std::string& path)>;
Result<Scenario> load_text(std::string_view text, const std::string& path,
                           const std::vector<Override>& overrides, const FileReader& read);

// Folders that are searched for NAME.toml, in order: $REFLUX_SCENARIOS (colon separated), the installed
// folder relative to the running program (../share/reflux/scenarios) or, where there is none, the source
// tree's folder that the build was made from.
std::vector<std::string> search_path();

// NAME (looked up in search_path) or a path (it has a '/' or ends in .toml).
Result<Scenario> load(const std::string& name_or_file, const std::vector<Override>& overrides = {});

// The scenario that another one names as its control or baseline: NAME.toml beside its file, else as load().
Result<Scenario> load_named(const Scenario& by, const std::string& name,
                            const std::vector<Override>& overrides = {});
// Its control and its baseline can be loaded, and the baseline is no cure itself.
Status check_named(const Scenario& scenario);

// A scenario that comes with this program says why its outcome is expected; others need not.
Status check_shipped(const Scenario& scenario);

// Of every *.toml in search_path, sorted.
std::vector<std::string> names();
// Every *.toml in search_path, sorted by name, first folder wins. Files that do not load are errors in the
// list.
struct Listed {
    std::string name;
    Result<Scenario> scenario;
};
std::vector<Listed> list_all();

// The scenario as TOML text, complete (no base), loadable again: RUNDIR/scenario.toml.
std::string to_toml(const Scenario& scenario);

std::string to_string(Placement placement);

}  // namespace reflux::scenario
