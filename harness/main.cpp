// The command line of reflux: options to verbs, nothing else.
#include "harness/run/batch.h"
#include "harness/run/verbs.h"
#include "harness/workload/verbs.h"

#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>

namespace {

using reflux::run::ExitCode;

constexpr const char* exit_status_help =
    "Exit status: 0 every run matched its expectation; 1 a verdict differs; 2 usage or invalid scenario;\n"
    "3 this machine cannot run it (the reason is printed); 4 the harness failed or left something behind.";

void add_run(CLI::App& app, ExitCode& code) {
    static reflux::run::BatchOptions options;
    auto* run = app.add_subcommand("run", "build the stack, press on it, judge, clean up");
    run->add_option("scenario", options.scenarios, "scenario names (see `reflux list`) or .toml files")
        ->required();
    run->add_option("--set", options.overrides, "override a key of the scenario: memcg.limit=128MiB")
        ->type_name("KEY=VALUE")
        ->take_all();
    run->add_option("--repeat", options.repeat, "run each scenario this often")
        ->check(CLI::Range(1U, 100000U))
        ->capture_default_str();
    run->add_option("--out", options.out, "folder in which each run makes its own folder")
        ->capture_default_str();
    run->add_flag("--json", options.json, "print one JSON array of verdicts on stdout, nothing else there");
    run->add_flag("--keep", options.keep,
                  "leave the stack standing for a look; `reflux clean` takes it down");
    run->callback([&code] { code = run_batch(options); });
}

void add_readers(CLI::App& app, ExitCode& code) {
    static std::string what;
    static std::string folder;
    static std::vector<std::string> files;
    static bool json = false;
    app.add_subcommand("probe", "what this machine can run, and the reason for each thing that it cannot")
        ->callback([&code] { code = reflux::run::probe_verb(); });
    auto* list = app.add_subcommand("list", "scenarios, mitigations, engines and front ends");
    list->add_option("what", what, "only this list")
        ->check(CLI::IsMember({"scenarios", "mitigations", "engines", "front-ends"}));
    list->callback([&code] { code = reflux::run::list_verb(what); });
    auto* check = app.add_subcommand("check", "validate scenario files; no root needed");
    check->add_option("file", files, "files or names; none: every scenario in the search path");
    check->callback([&code] { code = reflux::run::check_verb(files); });
    auto* explain = app.add_subcommand("explain", "judge saved evidence again and say why; no root needed");
    explain->add_option("run_folder", folder, "the folder of a run")->required();
    explain->add_flag("--json", json, "the verdict as `run --json` prints it");
    explain->callback([&code] { code = reflux::run::explain_verb(folder, json); });
    app.add_subcommand("clean", "remove what an interrupted run left")->callback([&code] {
        code = reflux::run::clean_verb();
    });
}

// By these the harness starts itself again inside the pressed cgroup; they are not for people.
void add_internal(CLI::App& app, int& status) {
    static int fd = -1;
    static std::string directory;
    for (const char* name : {"workload", "verify-workload"}) {
        auto* verb = app.add_subcommand(name, "")->group("");
        verb->add_option("--fd", fd)->required();
        verb->add_option("--directory", directory)->required();
        const bool verify = std::string_view(name) == "verify-workload";
        verb->callback([&status, verify] {
            status =
                verify ? reflux::workload::verify_verb(fd, directory, reflux::workload::VerifyMode::complete)
                       : reflux::workload::workload_verb(fd, directory);
        });
    }
}

int parse_and_run(int argc, char** argv) {
    CLI::App app(
        "reflux: does a storage daemon under a filesystem deadlock in memory reclaim, and what stops it?",
        "reflux");
    app.set_version_flag("--version", REFLUX_VERSION);
    app.require_subcommand(1);
    app.footer(exit_status_help);
    ExitCode code = ExitCode::met;
    int internal_status = 0;
    add_run(app, code);
    add_readers(app, code);
    add_internal(app, internal_status);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        // CLI11 prints help, version and errors; every error of the command line is ours as "usage".
        return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::usage);
    }
    return internal_status != 0 ? internal_status : static_cast<int>(code);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return parse_and_run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "reflux: %s\n", error.what());
        return static_cast<int>(ExitCode::harness_failed);
    }
}
