#include "harness/run/matrix.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "harness/run/console.h"
#include "harness/run/event_loop.h"
#include "harness/run/matrix_cells.h"
#include "harness/run/matrix_folder.h"
#include "harness/run/matrix_screen.h"
#include "harness/run/matrix_time.h"
#include "harness/run/requirements.h"
#include "harness/run/scenarios.h"
#include "harness/run/shard.h"
#include "harness/run/sweep.h"
#include "harness/run/vm_host.h"
#include "harness/scenario/load.h"
#include "harness/vm/tool.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <iterator>
#include <set>
#include <thread>

namespace reflux::run {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Seconds tick_time{0.25};
// A run on this machine has a stack to take down, every step of which has a deadline of its own.
constexpr Seconds stop_time{90};
constexpr Seconds kill_time{5};

// Kernels' and scenarios' names are the folders of the cells.
Result<std::vector<Cell>> make_cells(const std::vector<scenario::Scenario>& scenarios,
                                     const std::vector<std::string>& kernels, unsigned repeat,
                                     const std::string& out) {
    std::vector<Cell> cells;
    std::set<std::string> seen;
    for (const auto& scenario : scenarios) {
        if (!seen.insert(scenario.name).second) {
            return fail(
                ErrorKind::invalid_input,
                fmt::format("two scenarios with the name {}; more runs of one: --repeat", scenario.name));
        }
        for (const auto& kernel : kernels) {
            cells.push_back({.kernel = kernel,
                             .scenario = scenario.name,
                             .folder = fmt::format("{}/{}/{}", out, folder_name(kernel), scenario.name),
                             .definition = scenario::to_toml(scenario),
                             .wanted = repeat,
                             .claim = claim_of(scenario)});
        }
    }
    return cells;
}

// uname -r of this machine, which an upgrade changes; another machine at a shared folder has another one.
Result<std::string> running_release() {
    REFLUX_TRY(const auto text, read_file("/proc/sys/kernel/osrelease"));
    return trimmed(text);
}

// The kernel of guests: "6.1" is the one that it was when the matrix began, and the one that the first shard
// found.
Result<VmHost> prepare_guests(const Cell& cell, Console& console) {
    REFLUX_TRY(auto host, VmHost::prepare(begun_kernel(cell), console));
    REFLUX_TRY(const auto kept, keep_first(kernel_file(cell), host.exact_kernel() + "\n"));
    return trimmed(kept) == host.exact_kernel() ? Result<VmHost>(std::move(host))
                                                : VmHost::prepare(trimmed(kept), console);
}

// The kernel of a cell, prepared; its exact name. Runs of two kernels must not be counted together, also
// where the name is as it was: of a machine that was booted anew, of an image that was built anew.
Result<std::string> prepare_kernel(const std::vector<Cell>& cells, const Cell& cell, Console& console) {
    std::string exact = cell.kernel;
    std::string release;
    if (cell.on_host()) {
        REFLUX_TRY(release, running_release());
    } else {
        REFLUX_TRY(const auto host, prepare_guests(cell, console));
        exact = host.exact_kernel();
        release = host.release();
    }
    REFLUX_CHECK(check_same_kernel(cells, cell, release));
    REFLUX_CHECK(keep_release(cell, release));
    return exact;
}

unsigned runs_at_once(const MatrixOptions& options, const std::vector<scenario::Scenario>& scenarios) {
    if (options.jobs > 0) {
        return options.jobs;
    }
    return guests_at_once(scenarios, std::thread::hardware_concurrency(),
                          available_memory(read_file("/proc/meminfo").value_or("")));
}

// A run that goes on in a child.
struct Running {
    MatrixJob job;
    Child child;
    UniqueFd output;  // its stdout, in memory
    std::string log;  // file with its stderr
    Clock::time_point start = Clock::now();
};

std::string last_line(const std::string& file) {
    const auto lines = lines_of(read_file(file).value_or(""));
    return lines.empty() ? "" : lines.back();
}

class Matrix {
  public:
    Matrix(std::vector<Cell> cells, unsigned at_once) : cells_(std::move(cells)), at_once_(at_once) {}

    // Until everything is made, or an interruption. Runs have deadlines of their own; this has none.
    void run() {
        screen_.say(announcement_of(cells_, at_once_));
        prepare_kernels();
        jobs_ = jobs_of(cells_);
        while (loop_.interrupted() == 0 && !(jobs_.empty() && running_.empty())) {
            start_what_may();
            screen_.show(block());
            loop_.next(tick_time);
            collect();
        }
        stop_all();
        screen_.erase();
        if (interrupted()) {
            screen_.say(
                fmt::format("interrupted; {}; what is done is kept, the same command goes on with the others",
                            progress_of(cells_, at_once_)));
        }
    }
    [[nodiscard]] const std::vector<Cell>& cells() const { return cells_; }
    [[nodiscard]] bool interrupted() { return loop_.interrupted() != 0; }

  private:
    // Downloads, one after another, and the trial boot of the accelerator: children would wait for each
    // other.
    void prepare_kernels() {
        Console console;
        const vm::Interruptible interruptible([this] { return interrupted(); });
        std::set<std::string> seen;
        for (const auto& cell : cells_) {
            if (cell.complete() || !seen.insert(cell.kernel).second || interrupted()) {
                continue;
            }
            const auto exact = prepare_kernel(cells_, cell, console);
            if (!exact && interrupted()) {
                return;  // that is no fault of the kernel's
            }
            if (!exact) {
                give_up_kernel(cell.kernel, exact.error());
                continue;
            }
            for (auto& same : cells_) {
                if (same.kernel == cell.kernel) {
                    same.exact = *exact;
                }
            }
        }
    }

    void give_up_kernel(const std::string& kernel, const Error& error) {
        screen_.say(fmt::format("{}: {}", kernel, error.message));
        for (auto& cell : cells_) {
            if (cell.kernel == kernel && !cell.complete()) {
                cell.given_up = {.code = exit_code_of(error.kind), .reason = error.message};
            }
        }
    }

    // What ended without a verdict would do so again.
    void give_up(const MatrixJob& job, ExitCode code, const std::string& reason) {
        screen_.say(fmt::format("{}: {}", name_of(cells_[job.cell], job.number), reason));
        cells_[job.cell].given_up = {.code = code, .reason = reason};
        std::erase_if(jobs_, [&](const MatrixJob& other) { return other.cell == job.cell; });
    }

    void start_what_may() {
        while (!jobs_.empty() && may_start(cells_[jobs_.front().cell], cells_, at_once_)) {
            const MatrixJob job = jobs_.front();
            jobs_.pop_front();
            auto started = start(job);
            if (started) {
                ++cells_[job.cell].running;
                running_.push_back(std::move(*started));
            } else {
                give_up(job, exit_code_of(started.error().kind), started.error().message);
            }
        }
    }

    Result<Running> start(const MatrixJob& job) const {
        const Cell& cell = cells_[job.cell];
        REFLUX_CHECK(keep_definition(cell));
        Running run{.job = job, .log = fmt::format("{}/run-{}.log", cell.folder, job.number)};
        REFLUX_TRY(const auto log, open_file(run.log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644));
        REFLUX_TRY(run.output, make_memory_file("verdict"));
        std::vector<std::string> command{own_path(), "run",   definition_file(cell),
                                         "--json",   "--out", cell.folder};
        if (!cell.on_host()) {
            command.insert(command.end(), {"--vm", cell.exact});
        }
        REFLUX_TRY(run.child, spawn(command, {.stdout_fd = run.output.get(), .stderr_fd = log.get()}));
        return run;
    }

    // Takes in what has ended.
    void collect() {
        std::erase_if(running_, [this](Running& run) {
            const auto exit = reap(run.child);
            if (exit && !*exit) {
                return false;
            }
            finish(run, exit);
            return true;
        });
    }

    void finish(const Running& run, const Result<std::optional<ExitStatus>>& exit) {
        Cell& cell = cells_[run.job.cell];
        --cell.running;
        ::lseek(run.output.get(), 0, SEEK_SET);
        auto result = parse_batch(read_all(run.output.get(), "the run's output").value_or(""));
        if (!result) {
            const auto code = exit && *exit && (*exit)->code > 0 && (*exit)->code <= most_code
                                  ? static_cast<ExitCode>((*exit)->code)
                                  : ExitCode::harness_failed;
            const auto how = !exit ? exit.error().message : *exit ? to_string(**exit) : "it does not end";
            give_up(run.job, code, fmt::format("no verdict, {}: {}", how, last_line(run.log)));
            return;
        }
        result->time = Clock::now() - run.start;
        // Another one since it was prepared: the file of the image has changed.
        if (const auto same = check_same_kernel(cells_, cell, result->release); !same) {
            give_up(run.job, exit_code_of(same.error().kind), same.error().message);
            return;
        }
        const std::string told = fmt::format("{}: {}", name_of(cell, run.job.number), text_of(*result));
        if (!result->harness_failed()) {
            std::error_code error;
            std::filesystem::remove(run.log, error);
        }
        (result->harness_failed() ? cell.failed : cell.finished).push_back(std::move(*result));
        screen_.say(fmt::format("{} ({})", told, progress_of(cells_, at_once_)));
    }

    // A run that is asked to end takes its stack or guest down and writes what it has.
    void stop_all() {
        for (const auto& run : running_) {
            static_cast<void>(send_signal(run.child, SIGTERM));
        }
        const auto end = Clock::now() + stop_time;
        for (auto& run : running_) {
            auto exit = wait_for(run.child, end - Clock::now());
            if (exit && !*exit) {
                static_cast<void>(send_signal(run.child, SIGKILL));
                exit = wait_for(run.child, kill_time);
                screen_.say(
                    fmt::format("{}: killed, it did not end within {}; `reflux clean` removes what it left",
                                name_of(cells_[run.job.cell], run.job.number), to_string(stop_time)));
            }
            finish(run, exit);
        }
        running_.clear();
    }

    // The table, and what each run that goes on told last.
    [[nodiscard]] std::vector<std::string> block() const {
        auto lines = table_of(cells_);
        lines.push_back(progress_of(cells_, at_once_));
        for (const auto& run : running_) {
            lines.push_back(
                fmt::format("{}: {}", name_of(cells_[run.job.cell], run.job.number), last_line(run.log)));
        }
        return lines;
    }

    static constexpr int most_code = static_cast<int>(ExitCode::harness_failed);

    std::vector<Cell> cells_;
    unsigned at_once_;
    EventLoop loop_;
    MatrixScreen screen_;
    std::deque<MatrixJob> jobs_;
    std::vector<Running> running_;
};

// What the matrix is of: scenarios, or all that a sweep stands for.
struct Asked {
    std::optional<scenario::Sweep> sweep;
    std::vector<std::string> mitigations;  // of the sweep
    std::vector<scenario::Scenario> scenarios;
};

Result<Asked> find_asked(const MatrixOptions& options) {
    Asked asked;
    const auto file = options.scenarios.size() == 1 ? scenario::find_sweep(options.scenarios.front()) : "";
    if (file.empty()) {
        if (!options.families.empty()) {
            return fail(ErrorKind::invalid_input,
                        "--families chooses the columns of a sweep (`reflux matrix mitigations`)");
        }
        REFLUX_TRY(asked.scenarios, load_scenarios(under_each(options.scenarios, options.mitigations),
                                                   options.overrides, options.with_baseline));
        return asked;
    }
    REFLUX_TRY(const auto text, read_file(file));
    REFLUX_TRY(asked.sweep, scenario::parse_sweep(text, file));
    if (!options.families.empty()) {
        REFLUX_CHECK(keep_families(split(options.families, ','), *asked.sweep));
    }
    REFLUX_TRY(asked.mitigations, mitigations_of(*asked.sweep, options.mitigations));
    REFLUX_TRY(asked.scenarios, scenarios_of(*asked.sweep, asked.mitigations, options.overrides));
    return asked;
}

Result<ExitCode> make_matrix(const MatrixOptions& options) {
    REFLUX_TRY(const auto asked, find_asked(options));
    const auto& scenarios = asked.scenarios;
    const auto out = std::filesystem::absolute(options.out).lexically_normal().string();
    REFLUX_TRY(const auto kernels, parse_kernels(options.kernels));
    REFLUX_TRY(const auto shard, parse_shard(options.shard));
    REFLUX_TRY(auto cells, make_cells(scenarios, kernels, options.repeat, out));
    cells = cells_of(shard, std::move(cells));
    REFLUX_CHECK(make_folder(out));
    REFLUX_TRY(const auto lock, lock_cells(out, cells));
    const MatrixRecord record{.scenarios = options.scenarios,
                              .overrides = options.overrides,
                              .kernels = kernels,
                              .repeat = options.repeat};
    REFLUX_CHECK(take_up(record, out, cells));
    Matrix matrix(std::move(cells), runs_at_once(options, scenarios));
    matrix.run();
    auto lines = table_of(matrix.cells());
    std::ranges::move(summary_of(matrix.cells()), std::back_inserter(lines));
    if (asked.sweep) {
        lines.emplace_back();
        std::ranges::move(table_of(*asked.sweep, asked.mitigations, matrix.cells()),
                          std::back_inserter(lines));
    }
    const auto table = fmt::format("{}\nruns: {}\n", fmt::join(lines, "\n"), out);
    fmt::print(options.json ? stderr : stdout, "{}", table);
    if (options.json) {
        fmt::print("{}\n", json_of(matrix.cells()));
    }
    return matrix.interrupted() ? ExitCode::harness_failed : exit_code_of(matrix.cells());
}

}  // namespace

ExitCode run_matrix(const MatrixOptions& options) {
    const auto code = make_matrix(options);
    if (!code) {
        fmt::print(stderr, "reflux: {}\n", code.error().message);
        return exit_code_of(code.error().kind);
    }
    return *code;
}

}  // namespace reflux::run
