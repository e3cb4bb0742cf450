// The runs that `reflux report` tells of: what is read of their folders (docs/evidence.md), each run once.
// Pure but for find_runs() and read_evidence().
#pragma once

#include "backend/base/result.h"
#include "harness/evidence/evidence.h"
#include "harness/report/run_verdict.h"
#include "harness/verdict/tally.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace reflux::report {

// What a report takes from the scenario that a run folder holds, NAME.toml.
struct ScenarioFacts {
    std::string question;
    std::string because;     // why its outcome is expected
    verdict::Claim claim;    // by which scenarios' names it is a cure, and proven
    std::string definition;  // all in it that runs must share to be counted together
};
// Reads a scenario's text. What a scenario is stands above this layer.
using ReadScenario = std::function<Result<ScenarioFacts>(const std::string& toml)>;

struct Run {
    std::string folder;  // below what was named, without symbolic links
    std::string began;   // "2026-11-22 02:30:23" UTC; empty: the folder's name does not tell
    RunVerdict verdict;
    std::size_t fingerprint = 0;  // hash of verdict.json; with the folder's name it is this run and no other
    std::shared_ptr<const ScenarioFacts> facts;  // never null; empty where there is no NAME.toml that loads

    [[nodiscard]] std::string name() const { return folder.substr(folder.rfind('/') + 1); }
};

// A folder, or a file of one, that is not a run as it should be.
struct Trouble {
    std::string path;
    std::string what;      // one sentence
    bool counted = false;  // a run was read there all the same
};

struct Runs {
    std::vector<Run> runs;          // by scenario, kernel, and the time at which they began
    std::vector<Trouble> troubles;  // told, one after the other
    std::size_t repeated = 0;       // folders that hold a run which is there already
};

// All runs at and below these folders: run folders, those of `run --out`, matrices, several of each. A folder
// with a verdict.json is a run; one with evidence.json or repro.sh and no verdict.json is one that was
// interrupted. Nothing is looked for inside of a run folder. Symbolic links are followed only where they are
// named; a run counts once however often its folder is named, and so does a copy of it (the same folder name
// and the same verdict to the byte, which holds where and how long it ran). What cannot be read is trouble,
// never an error.
Runs find_runs(const std::vector<std::string>& folders, const ReadScenario& read_scenario);

// evidence.json of a run.
Result<evidence::Evidence> read_evidence(const Run& run);
// A small text file of its folder: "repro.sh", "wait-graph.dot".
Result<std::string> read_text(const Run& run, const std::string& file);

// "2026-11-22 02:30:23" of "NAME-20261122T023023-1"; empty: the name does not end so.
std::string began_of(std::string_view folder_name);

}  // namespace reflux::report
