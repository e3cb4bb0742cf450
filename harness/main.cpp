// The command line of reflux: options to verbs, nothing else.
#include "harness/run/batch.h"
#include "harness/run/guest_session.h"
#include "harness/run/matrix.h"
#include "harness/run/verbs.h"
#include "harness/run/vm_verbs.h"
#include "harness/workload/verbs.h"

#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>

namespace {

using reflux::run::ExitCode;

constexpr const char* exit_status_help =
    "Exit status: 0 every run matched its expectation; 1 a verdict differs; 2 usage or invalid scenario;\n"
    "3 this machine cannot run it (the reason is printed); 4 the harness failed or left something behind.";

// What `run` and `matrix` are asked alike.
template <class Options>
void add_batch_options(CLI::App* verb, Options& options) {
    verb->add_option("scenario", options.scenarios, "scenario names (see `reflux list`) or .toml files")
        ->required();
    verb->add_option("--set", options.overrides, "override a key of the scenario: memcg.limit=128MiB")
        ->type_name("KEY=VALUE")
        ->take_all();
    verb->add_option("--repeat", options.repeat, "run each scenario this often")
        ->check(CLI::Range(1U, 100000U))
        ->capture_default_str();
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
    run->callback([&code, vm] {
        if (vm->count() > 0 && !options.vm) {
            options.vm = "";
        }
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
    matrix->add_option("-o,--out", options.out, "folder for the runs, and to go on in")->required();
    matrix->callback([&code] { code = run_matrix(options); });
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
    app.add_subcommand("probe", "what this machine can run, and the reason for each thing that it cannot")
        ->callback([&code] { code = reflux::run::probe_verb(); });
    auto* list = app.add_subcommand("list", "scenarios, mitigations, faults, engines and front ends");
    list->add_option("what", what, "only this list")
        ->check(CLI::IsMember({"scenarios", "mitigations", "faults", "engines", "front-ends"}));
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
    static reflux::run::GuestSession guest;
    auto* session = app.add_subcommand("guest-session", "")->group("");
    session->add_option("--scenario", guest.scenario)->required();
    session->add_option("--folder", guest.folder)->required();
    session->add_option("--host-work-s", guest.host_work_s)->required();
    session->callback([&status] { status = static_cast<int>(reflux::run::run_guest_session(guest)); });
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
    add_matrix(app, code);
    add_readers(app, code);
    add_vm(app, code);
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
