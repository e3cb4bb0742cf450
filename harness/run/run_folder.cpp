#include "harness/run/run_folder.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "harness/evidence/json.h"
#include "harness/report/dot.h"
#include "harness/report/json.h"
#include "harness/report/text.h"
#include "harness/report/wrap.h"
#include "harness/run/requirements.h"
#include "harness/scenario/load.h"

#include <chrono>
#include <filesystem>

#include <sys/stat.h>

#include <fmt/chrono.h>

namespace reflux::run {

using report::shell_quoted;

namespace {

std::string stacks_text(const evidence::Stall& stall) {
    std::string text;
    for (const auto& snapshot : stall.snapshots) {
        text += fmt::format("== {:.2f} s\n", snapshot.at_s);
        for (const auto& task : snapshot.tasks) {
            text += fmt::format("{} {} ({}), {}, state {}, flags {:#x}, switches {} + {}, cpu ticks {}\n",
                                task.name, task.tid, task.pid, task.role, task.state, task.flags,
                                task.voluntary_switches, task.involuntary_switches, task.cpu_ticks);
            for (const auto& frame : task.stack) {
                text += "    " + frame + "\n";
            }
        }
    }
    return text;
}

std::string repro_text(const std::string& folder, const std::string& scenario,
                       const std::vector<std::string>& options) {
    std::string more;
    for (const auto& option : options) {
        more += " " + shell_quoted(option);
    }
    return fmt::format(
        "#!/bin/sh\n"
        "# Runs the same scenario again, on this machine, as it was run here.\n"
        "exec \"${{REFLUX:-{}}}\" run \"$(dirname \"$0\")\"/{} --out \"${{1:-{}}}\"{}\n",
        own_path(), shell_quoted(scenario + ".toml"), std::filesystem::path(folder).parent_path().string(),
        more);
}

// The wait graph, and its picture where Graphviz is installed: nothing rests on that.
Status write_wait_graph(const std::string& folder, const evidence::Evidence& evidence,
                        const verdict::Verdict& verdict) {
    const std::string dot = folder + "/wait-graph.dot";
    const std::string picture = folder + "/wait-graph.svg";
    REFLUX_CHECK(replace_file(dot, report::wait_graph_dot(evidence, verdict, verdict::wait_graph(evidence))));
    if (const auto program = find_program("dot")) {
        const auto drawn = run_command({*program, "-Tsvg", "-o", picture, dot}, Seconds(10));
        if (!drawn || !drawn->exit || !drawn->exit->ok()) {
            std::error_code ignored;
            std::filesystem::remove(picture, ignored);
        }
    }
    return {};
}

// The trace keeps 16 MiB at most, all else is small.
Status check_room(const std::string& out) {
    constexpr std::uintmax_t needed = 32U << 20U;
    std::error_code error;
    const auto space = std::filesystem::space(out, error);
    if (!error && space.available < needed) {
        return fail(ErrorKind::unsupported,
                    fmt::format("{} has {} left, and a run folder may take {}: make room, or name another "
                                "place with --out",
                                out, human(Bytes{space.available}), human(Bytes{needed})));
    }
    return {};
}

}  // namespace

Result<std::string> make_run_folder(const std::string& out, const scenario::Scenario& scenario,
                                    const std::vector<std::string>& options) {
    std::error_code error;
    std::filesystem::create_directories(out, error);
    if (error) {
        return fail(ErrorKind::system, fmt::format("mkdir {}: {}", out, error.message()));
    }
    REFLUX_CHECK(check_room(out));
    const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
    const std::string stem =
        fmt::format("{}/{}-{:%Y%m%dT%H%M%S}", std::filesystem::absolute(out).lexically_normal().string(),
                    scenario.name, fmt::gmtime(now));
    constexpr int most = 1000;
    for (int n = 1; n < most; ++n) {
        const std::string folder = fmt::format("{}-{}", stem, n);
        if (::mkdir(folder.c_str(), 0755) == 0) {
            REFLUX_CHECK(
                replace_file(fmt::format("{}/{}.toml", folder, scenario.name), scenario::to_toml(scenario)));
            REFLUX_CHECK(replace_file(folder + "/repro.sh", repro_text(folder, scenario.name, options)));
            ::chmod((folder + "/repro.sh").c_str(), 0755);
            return folder;
        }
        if (errno != EEXIST) {
            return fail_errno("mkdir " + folder);
        }
    }
    return fail(ErrorKind::system, "no free name for a run folder at " + stem);
}

Status write_results(const std::string& folder, const evidence::Evidence& evidence,
                     const verdict::Verdict& verdict) {
    REFLUX_CHECK(replace_file(folder + "/evidence.json", evidence::to_json(evidence) + "\n"));
    REFLUX_CHECK(
        replace_file(folder + "/verdict.json", report::verdict_json(evidence, verdict, folder) + "\n"));
    REFLUX_CHECK(replace_file(folder + "/verdict.txt", report::explain(evidence, verdict)));
    if (evidence.stall) {
        REFLUX_CHECK(replace_file(folder + "/stacks.txt", stacks_text(*evidence.stall)));
        REFLUX_CHECK(write_wait_graph(folder, evidence, verdict));
    }
    return {};
}

}  // namespace reflux::run
