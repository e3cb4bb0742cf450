// The command line of reflux: options to verbs, nothing else.
#include "harness/run/audit_verbs.h"
#include "harness/run/batch.h"
#include "harness/run/command_words.h"
#include "harness/run/guest_session.h"
#include "harness/run/matrix.h"
#include "harness/run/report_verb.h"
#include "harness/run/scenarios.h"
#include "harness/run/verbs.h"
#include "harness/run/vm_verbs.h"
#include "harness/workload/verbs.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string_view>

#include <CLI/CLI.hpp>

namespace {

using reflux::run::ExitCode;

constexpr const char* exit_status_help =
    "Exit status: 0 every run matched its expectation; 1 a verdict differs; 2 usage or invalid scenario;\n"
    "3 this machine cannot run it (the reason is printed); 4 the harness failed or left something behind.";

// What `run` and `matrix` are asked alike.
template <class Options>
void add_batch_options(CLI::App* verb, Options& options) {
    verb->add_option("scenario", options.scenarios,
                     "scenario names (see `reflux list`), `all` of them, or .toml files")
        ->required();
    verb->add_option("--set", options.overrides,
                     "override a key of the scenario (`reflux list keys`): memcg.limit=128MiB")
        ->type_name("KEY=VALUE")
        ->take_all();
    verb->add_option("--mitigation", options.mitigations,
                     "run each scenario under these of `reflux list mitigations` in place of its own (as "
                     "SCENARIO+NAME does); again for another run")
        ->type_name("NAME[+NAME...]")
        ->allow_extra_args(false)
        ->take_all();
    verb->add_option("--repeat", options.repeat, "run each scenario this often")
        ->check(CLI::Range(1U, 100000U))
        ->capture_default_str();
    verb->add_flag("--with-baseline", options.with_baseline,
                   "run also the baseline and the control that the scenarios name: they prove a cure");
    verb->add_flag("--json", options.json, "print one JSON array of verdicts on stdout, nothing else there");
}

void add_run(CLI::App& app, ExitCode& code) {
    static reflux::run::BatchOptions options;
    auto* run = app.add_subcommand("run", "build the stack, press on it, judge, clean up");
    add_batch_options(run, options);
    run->add_option("--out", options.out, "folder in which each run makes its own folder")
        ->capture_default_str();
    auto* vm =
        run->add_option("--vm", options.vm,
                        "run in a virtual machine: with the running kernel, or with the one named: 6.1, a "
                        "bzImage (IMAGE:MODULES)")
            ->type_name("[KERNEL]")
            ->expected(0, 1);
    run->add_flag("--keep", options.keep,
                  "leave the stack standing for a look; `reflux clean` takes it down");
    run->add_flag(
           "--load-module", options.load_module,
           "without --vm: compile the prototype kernel module for this machine's kernel and load it for "
           "the time of a run whose mitigation needs it; in a guest that is done anyway")
        ->excludes(vm);
    run->callback([&code, vm] {
        if (vm->count() > 0 && !options.vm) {
            options.vm = "";
        }
        options.scenarios = reflux::run::under_each(options.scenarios, options.mitigations);
        code = run_batch(options);
    });
}

void add_matrix(CLI::App& app, ExitCode& code) {
    static reflux::run::MatrixOptions options;
    auto* matrix = app.add_subcommand(
        "matrix", "run scenarios on kernels, in virtual machines; called again, it makes what is missing");
    add_batch_options(matrix, options);
    matrix
        ->add_option(
            "--kernels", options.kernels,
            "required: kernels as `run --vm` takes them, `host` for this machine without a virtual one: "
            "5.10,6.1,host")
        ->type_name("K,K,...");
    matrix->add_option("--jobs", options.jobs, "guests at once; 0: as many as processors and memory hold")
        ->check(CLI::Range(0U, 1024U))
        ->capture_default_str();
    matrix
        ->add_option("--families", options.families,
                     "of a sweep (`reflux matrix mitigations`) only these columns, as --mitigation its rows")
        ->type_name("F,F,...");
    matrix
        ->add_option("--shard", options.shard,
                     "only the i-th of n parts of the cells; all n together, on as many machines as you "
                     "like, are the whole matrix")
        ->type_name("i/n");
    matrix->add_option("-o,--out", options.out, "folder for the runs, and to go on in")->required();
    matrix->callback([&code] { code = run_matrix(options); });
}

constexpr const char* report_help =
    "Folders may be of runs, of `run --out`, of matrices or of shards of one; a run that is in several "
    "counts "
    "once. All of\n"
    "them together are one batch, which proves cures or does not.\n"
    "Exit status: 0 the report was made, whatever the verdicts are; 2 usage, or no run was found; 4 it could "
    "not be written.";

void add_report(CLI::App& app, ExitCode& code) {
    static reflux::run::ReportOptions options;
    auto* report = app.add_subcommand("report", "tell of runs that are there: a page for people, or for CI");
    report->footer(report_help);
    report->add_option("folder", options.folders, "folders with runs; no root needed")->required();
    report->add_option("-o,--out", options.out, "file to write; none: stdout")->type_name("FILE");
    std::vector<std::string> names;
    std::string formats;
    for (const auto& format : reflux::run::report_formats()) {
        names.emplace_back(format.name);
        formats += fmt::format("{}{}: {}", formats.empty() ? "" : "; ", format.name, format.description);
    }
    report->add_option("--format", options.format, formats)
        ->check(CLI::IsMember(names))
        ->capture_default_str();
    report->callback([&code] { code = reflux::run::report_verb(options); });
}

void add_vm(CLI::App& app, ExitCode& code) {
    static std::string kernel;
    static reflux::run::VmShell shell;
    auto* vm = app.add_subcommand("vm", "kernels for virtual machines, and a shell in one");
    vm->require_subcommand(1);
    vm->add_subcommand("list", "kernels that are here or can be had")->callback([&code] {
        code = reflux::run::vm_list_verb();
    });
    auto* fetch = vm->add_subcommand("fetch", "download a kernel of a Debian release into the cache");
    fetch->add_option("kernel", kernel, "6.1, 6.12, …, or a whole release")->required();
    fetch->callback([&code] { code = reflux::run::vm_fetch_verb(kernel); });
    auto* in = vm->add_subcommand("shell", "a root shell in a guest");
    in->add_option("kernel", shell.kernel, "as for `run --vm`; none: the running one");
    in->add_option("--cgroup", shell.cgroup, "hierarchy with the memory controller")
        ->check(CLI::IsMember({"auto", "v1", "v2"}))
        ->capture_default_str();
    in->add_option("--memory", shell.memory, "of the guest")->capture_default_str();
    in->add_option("--cpus", shell.cpus, "of the guest")->check(CLI::Range(1U, 64U))->capture_default_str();
    in->callback([&code] { code = reflux::run::vm_shell_verb(shell); });
}

void add_readers(CLI::App& app, ExitCode& code) {
    static std::string what;
    static std::string folder;
    static std::vector<std::string> files;
    static bool json = false;
    static bool dot = false;
    app.add_subcommand("probe", "what this machine can run, and the reason for each thing that it cannot")
        ->callback([&code] { code = reflux::run::probe_verb(); });
    auto* list = app.add_subcommand(
        "list", "scenarios, mitigations, faults, engines, front ends, and the keys of a scenario file");
    list->add_option("what", what, "only this list")
        ->check(CLI::IsMember({"scenarios", "mitigations", "faults", "engines", "front-ends", "keys"}));
    list->callback([&code] { code = reflux::run::list_verb(what); });
    auto* check = app.add_subcommand("check", "validate scenario files; no root needed");
    check->add_option("file", files, "files or names; none: every scenario in the search path");
    check->callback([&code] { code = reflux::run::check_verb(files); });
    auto* explain =
        app.add_subcommand("explain", "judge saved evidence again and say why, in full; no root needed");
    explain->add_option("run_folder", folder, "the folder of a run")->required();
    auto* as_json = explain->add_flag("--json", json, "the verdict as `run --json` prints it");
    explain->add_flag("--dot", dot, "the wait graph of a stall for Graphviz: | dot -Tsvg > graph.svg")
        ->excludes(as_json);
    explain->callback([&code] {
        using reflux::run::ExplainAs;
        code = reflux::run::explain_verb(folder, json  ? ExplainAs::json
                                                 : dot ? ExplainAs::dot
                                                       : ExplainAs::text);
    });
    app.add_subcommand("clean", "remove what an interrupted run left")->callback([&code] {
        code = reflux::run::clean_verb();
    });
}

constexpr const char* audit_help =
    "A thread is marked when PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE both stand in its flags "
    "(/proc/PID/task/TID/stat),\n"
    "as PR_SET_IO_FLUSHER sets them. Of a foreign program every thread counts, unless --only or --except "
    "says which\n"
    "are on the I/O path; of refluxd all but its control thread.\n"
    "Exit status: 0 every thread on the I/O path is marked; 1 some are not; 2 usage; 3 there is no such "
    "process, or\n"
    "it cannot be read.";
constexpr const char* exec_help =
    "The mark is read back before the program is started in this very process; flags survive exec.\n"
    "Exit status: the program's; before it is started 2 usage, or no such program; 3 the mitigation is "
    "refused (the\n"
    "program is not started); 4 it did not take.";

void add_audit(CLI::App& app, ExitCode& code) {
    static reflux::run::AuditOptions options;
    auto* audit = app.add_subcommand("audit", "which threads of a process are marked as I/O flushers");
    audit->footer(audit_help);
    audit->add_option("pid", options.pid, "any process, or one of its threads")
        ->required()
        ->check(CLI::Range(1, 4194304));  // PID_MAX_LIMIT
    auto* only = audit->add_option("--only", options.io_path.only,
                                   "threads on the I/O path, by number or name: 'io-*'");
    auto* except = audit->add_option("--except", options.io_path.except, "all but these are on the I/O path");
    for (auto* list : {only, except}) {
        list->type_name("TID|NAME,...")->expected(1)->take_all()->delimiter(',');
    }
    only->excludes(except);
    audit->add_flag("--json", options.json, "one JSON object on stdout, nothing else there");
    audit->callback([&code] { code = reflux::run::audit_verb(options); });
}

// `program`: what stands after "--".
void add_exec(CLI::App& app, ExitCode& code, const std::vector<std::string>& program) {
    static reflux::run::ExecOptions options;
    static std::string command;
    auto* exec = app.add_subcommand("exec", "become a program, with every thread of it under a mitigation");
    exec->footer(exec_help);
    exec->add_option("--mitigation", options.mitigations, "of `reflux list mitigations`: io_flusher")
        ->type_name("NAME")
        ->required()
        ->expected(1)
        ->take_all();
    exec->add_option("command", command, "after `--`: the program and its arguments")->required();
    options.program = program;
    exec->callback([&code] {
        if (options.program.empty()) {
            throw CLI::ValidationError("command",
                                       "put -- before the program: reflux exec --mitigation M -- PROGRAM");
        }
        code = reflux::run::exec_verb(options);
    });
}

// The words after `exec … --`: they are another program's, and CLI11 would take some of them apart.
std::vector<std::string> program_of(int argc, char** argv) {
    if (argc < 2 || std::string_view(argv[1]) != "exec") {
        return {};
    }
    char** const dashes = std::find(argv + 2, argv + argc, std::string_view("--"));
    return dashes == argv + argc ? std::vector<std::string>{}
                                 : std::vector<std::string>(dashes + 1, argv + argc);
}

// By these the harness starts itself again inside the pressed cgroup; they are not for people.
void add_internal(CLI::App& app, int& status) {
    static reflux::run::GuestSession guest;
    auto* session = app.add_subcommand("guest-session", "")->group("");
    session->add_option("--scenario", guest.scenario)->required();
    session->add_option("--folder", guest.folder)->required();
    session->add_option("--host-work-s", guest.host_work_s)->required();
    session->add_option("--reclaim-module", guest.reclaim_module);
    session->callback([&status] { status = static_cast<int>(reflux::run::run_guest_session(guest)); });
    static int fd = -1;
    static std::string directory;
    static std::string mode = "complete";
    for (const char* name : {"workload", "verify-workload"}) {
        auto* verb = app.add_subcommand(name, "")->group("");
        verb->add_option("--fd", fd)->required();
        verb->add_option("--directory", directory)->required();
        const bool verify = std::string_view(name) == "verify-workload";
        if (verify) {
            verb->add_option("--mode", mode)->required();
        }
        verb->callback([&status, verify] {
            status = verify ? reflux::workload::verify_verb(fd, directory, mode)
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
    add_matrix(app, code);
    add_readers(app, code);
    add_report(app, code);
    add_vm(app, code);
    const auto program = program_of(argc, argv);
    add_audit(app, code);
    add_exec(app, code, program);
    add_internal(app, internal_status);
    if (const auto words = reflux::words_of_command(app, argc, argv, reflux::run::command_words())) {
        return std::fputs(words->c_str(), stdout) < 0 ? static_cast<int>(ExitCode::harness_failed) : 0;
    }
    try {
        // Of the program no more than its name.
        app.parse(argc - std::max(0, static_cast<int>(program.size()) - 1), argv);
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
