#include "harness/run/report_verb.h"

#include "backend/base/kernel_file.h"
#include "harness/report/html/page.h"
#include "harness/report/machine/formats.h"
#include "harness/report/wrap.h"
#include "harness/run/scenarios.h"
#include "harness/scenario/load.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

namespace reflux::run {
namespace {

namespace fs = std::filesystem;

constexpr std::array formats{
    ReportFormat{"html", "one self-contained page", report::html::page},
    ReportFormat{"json", "an array of verdicts (docs/verdict.schema.json)", report::machine::json},
    ReportFormat{"junit", "JUnit's XML, a suite a kernel", report::machine::junit},
    ReportFormat{"tap", "TAP version 13", report::machine::tap},
    ReportFormat{"kcidb", "a submission to KCIDB, schema 5.3", report::machine::kcidb},
};

// The definition is written anew by this program, so that a key that came later is no difference; what is
// said about a scenario, and expected of it, is none either.
Result<report::ScenarioFacts> facts_of(const std::string& toml) {
    const auto no_other_file = [](const std::string& path) -> Result<std::string> {
        return fail(ErrorKind::invalid_input, "a run's scenario has no base: " + path);
    };
    REFLUX_TRY(auto loaded, scenario::load_text(toml, "line", {}, no_other_file));
    report::ScenarioFacts facts{
        .question = loaded.question, .because = loaded.because, .claim = claim_of(loaded)};
    const scenario::Scenario ordinary;
    for (auto* text :
         {&loaded.question, &loaded.because, &loaded.source, &loaded.family, &loaded.expect_with_function}) {
        text->clear();
    }
    loaded.status = ordinary.status;
    loaded.tried.clear();
    for (auto* expect : {&loaded.expect, &loaded.expect_v2, &loaded.expect_with}) {
        *expect = {};
    }
    loaded.vm.cgroup = scenario::Vm{}.cgroup;  // a place of its own
    loaded.vm.attempts = scenario::Vm{}.attempts;
    facts.definition = scenario::to_toml(loaded);
    return facts;
}

bool to_stdout(const ReportOptions& options) {
    return options.out.empty() || options.out == "-";
}

// Found out before ten thousand runs are read.
Status check_out(const ReportOptions& options) {
    std::error_code error;
    const fs::path out = options.out;
    if (to_stdout(options)) {
        return {};
    }
    if (fs::is_directory(out, error)) {
        return fail(
            ErrorKind::invalid_input,
            fmt::format("-o {0}: it is a folder; name a file, for example {0}/report.html", options.out));
    }
    const auto folder = fs::absolute(out).parent_path();
    if (!fs::is_directory(folder, error)) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("-o {}: there is no folder {}", options.out, folder.string()));
    }
    return {};
}

// A link stays one, and what is no regular file (a pipe, a terminal) is written to and not replaced.
Status write_out(const ReportOptions& options, const std::string& text) {
    if (to_stdout(options)) {
        return write_all(STDOUT_FILENO, text, "stdout");
    }
    std::error_code error;
    if (!fs::exists(options.out, error)) {
        return replace_file(options.out, text);
    }
    if (fs::is_regular_file(options.out, error)) {
        return replace_file(fs::canonical(options.out, error).string(), text);
    }
    REFLUX_TRY(const auto fd, open_file(options.out, O_WRONLY));
    return write_all(fd.get(), text, options.out);
}

// Returns the number of folders that are not in the report. Names and texts of runs that others made do
// nothing to the terminal.
std::size_t tell(const report::Runs& found) {
    std::size_t left_out = 0;
    for (const auto& trouble : found.troubles) {
        fmt::print(stderr, "reflux: {}: {}\n", report::printable(trouble.path),
                   report::printable(trouble.what));
        left_out += trouble.counted ? 0 : 1;
    }
    return left_out;
}

Status make_report(const ReportOptions& options) {
    const auto* format = std::ranges::find(formats, options.format, &ReportFormat::name);
    if (format == formats.end()) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("--format {}: there is no such format", options.format));
    }
    REFLUX_CHECK(check_out(options));
    report::Report report{.found = report::find_runs(options.folders, facts_of)};
    const auto left_out = tell(report.found);
    if (report.found.runs.empty()) {
        return fail(
            ErrorKind::invalid_input,
            fmt::format("no run in {}: a run's folder holds a verdict.json, as `reflux run --out` and "
                        "`reflux matrix -o` make them",
                        verdict::join(options.folders, ", ")));
    }
    report.counted = report::count(report.found.runs);
    REFLUX_CHECK(write_out(options, format->render(report)));
    if (!to_stdout(options)) {
        fmt::print(
            "{}: {}{}\n", report::printable(options.out), verdict::counted(report.found.runs.size(), "run"),
            left_out == 0 ? ""
                          : fmt::format("; {} not counted, see above", verdict::counted(left_out, "folder")));
    }
    return {};
}

}  // namespace

std::span<const ReportFormat> report_formats() {
    return formats;
}

ExitCode report_verb(const ReportOptions& options) {
    const auto made = make_report(options);
    if (made) {
        return ExitCode::met;
    }
    auto error = made.error();
    error.message = report::printable(error.message);
    return complain(error);
}

}  // namespace reflux::run
