// The cells of a matrix: a scenario on a kernel, run N times. What a folder holds of one, what is still to be
// run, how many at once, what is told of all. Pure but for read_finished().
#pragma once

#include "backend/base/units.h"
#include "harness/run/exit_status.h"
#include "harness/scenario/scenario.h"
#include "harness/verdict/cost.h"
#include "harness/verdict/cure.h"

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::run {

// The word that stands among the kernels for: on this machine, without a virtual machine.
inline constexpr std::string_view host_kernel = "host";

// What a matrix asks of a verdict.json (report/run_verdict.h).
struct MatrixRun {
    std::string outcome;    // "deadlock"
    std::string recursion;  // "upper"; "unknown" where it is null
    std::string reason;     // the first one
    bool met = false;
    bool left_behind = false;
    std::string json;       // the whole verdict, as it was read
    std::string cgroup;     // "v1" | "v2"; empty: not known
    bool foreseen = false;  // an expectation names the outcome, and is met
    std::optional<verdict::CostFigures> cost;
    std::string release;  // uname -r; empty: it did not come so far
    Seconds time{0};      // that it took, the boot of its guest included; 0: not known

    [[nodiscard]] bool harness_failed() const { return outcome == "harness_error"; }
};
// nullopt: that is no verdict.
std::optional<MatrixRun> parse_run(std::string_view json);
// What `run --json` prints of one run: the only element of an array. nullopt: it is not that.
std::optional<MatrixRun> parse_batch(std::string_view json);
// The verdicts of the run folders in the folder of a cell, oldest first. Folders without one (an interrupted
// run), and those in which the harness failed, do not count: these runs are made again.
std::vector<MatrixRun> read_finished(const std::string& cell_folder);

// Why a cell gets no more runs in this invocation.
struct GivenUp {
    ExitCode code = ExitCode::harness_failed;
    std::string reason;
};

struct Cell {
    std::string kernel;  // as `run --vm` takes it, or host_kernel
    std::string exact;   // the very kernel that it stood for when the first run was made
    std::string scenario;
    std::string folder;
    std::string definition;  // the scenario as it is run, TOML
    unsigned wanted = 1;
    std::vector<MatrixRun> finished;
    std::vector<MatrixRun> failed;  // of this invocation: the harness failed
    unsigned running = 0;
    std::optional<GivenUp> given_up;
    verdict::Claim claim;

    [[nodiscard]] bool on_host() const { return kernel == host_kernel; }
    [[nodiscard]] bool complete() const { return finished.size() >= wanted; }
};

// What a folder's matrix.json records: what the invocation that began it was asked for.
struct MatrixRecord {
    std::vector<std::string> scenarios;
    std::vector<std::string> overrides;  // "key=value"
    std::vector<std::string> kernels;
    unsigned repeat = 1;
};
std::string to_json(const MatrixRecord& record);
// invalid_input unless `json` was written by to_json with overrides that say the same as `now`'s; runs of
// different overrides must not be counted together. More or fewer scenarios, kernels and runs do no harm.
Status check_same_overrides(std::string_view json, const MatrixRecord& now);
// The first line in which two texts differ: "'a = 1' then, 'a = 2' now"; "" when they are equal.
std::string first_difference(std::string_view then, std::string_view now);

// A kernel as the name of a folder: '/' becomes '_'.
std::string folder_name(std::string_view kernel);
// "6.1,7.2,host" -> its kernels; invalid_input: none, one that names no folder, two that name the same.
Result<std::vector<std::string>> parse_kernels(std::string_view list);

// A run that is to be made: the number-th (from 1) of a cell.
struct MatrixJob {
    std::size_t cell = 0;
    unsigned number = 1;
};
// In the order in which they are made: the first run of every cell, the second of every cell, and so on, so
// that an early end leaves something of all. Those on this machine come last.
std::deque<MatrixJob> jobs_of(const std::vector<Cell>& cells);
// May a run of `next` start beside what is running? One on this machine presses on it, and so runs alone.
bool may_start(const Cell& next, const std::vector<Cell>& cells, unsigned at_once);
// How many guests fit side by side into the processors and four fifths of the memory; at least 1.
unsigned guests_at_once(const std::vector<scenario::Scenario>& scenarios, unsigned cpus, Bytes available);
// MemAvailable of a /proc/meminfo; 0 when it is not there.
Bytes available_memory(std::string_view meminfo);

// "6.1 fuse-ext4-shared-memcg run 2/3"
std::string name_of(const Cell& cell, unsigned number);
// "deadlock, recursion upper, met, 92 s", and the reason where the harness failed.
std::string text_of(const MatrixRun& run);
// "3 deadlock", "2 slow, 1 deadlock; 1 NOT MET", while runs are missing "2/5: 2 deadlock, running".
std::string text_of(const Cell& cell);
// Why cells have no runs that say something: each reason once for each kernel, with the scenarios that have
// it.
struct Reason {
    std::string kernel;
    std::string text;
    std::vector<std::string> scenarios;
    bool given_up = false;  // by this invocation, for what may be a reason of the whole kernel; false: the
                            // verdict of a run, `unsupported`
};
std::vector<Reason> reasons_of(const std::vector<Cell>& cells);
// Rows are scenarios, columns kernels, in the order of the cells; below, the reasons of those without runs. A
// cure is proven, or not, by its own column.
std::vector<std::string> table_of(const std::vector<Cell>& cells);
// The runs of the cells, counted; a kernel's column is a place.
std::vector<verdict::Tally> tallies_of(const std::vector<Cell>& cells);
// Of a cell without a verdict: why, in a word or two; "" where it has some, or is still to be run.
std::string trouble_of(const Cell& cell);
// How often each outcome came in the cells, what is proven of cures, and what it costs; a kernel's column is
// a place.
std::vector<std::string> summary_of(const std::vector<Cell>& cells);
// "[…]", the verdicts of all cells; with what the matrix proves of cures, and their costs against their
// controls.
std::string json_of(const std::vector<Cell>& cells);
// The gravest of all runs and of what was given up.
ExitCode exit_code_of(const std::vector<Cell>& cells);

}  // namespace reflux::run
