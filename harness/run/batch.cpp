#include "harness/run/batch.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "harness/journal/journal.h"
#include "harness/probe/machine.h"
#include "harness/report/json.h"
#include "harness/report/text.h"
#include "harness/run/console.h"
#include "harness/run/event_loop.h"
#include "harness/run/reclaim_module.h"
#include "harness/run/run_folder.h"
#include "harness/run/scenarios.h"
#include "harness/run/session.h"
#include "harness/run/vm_host.h"
#include "harness/verdict/cost.h"
#include "harness/verdict/cure.h"
#include "harness/verdict/verdict.h"
#include "harness/vm/reclaim_module.h"
#include "harness/vm/tool.h"

#include <algorithm>
#include <iterator>

#include <sys/mman.h>
#include <sys/un.h>

#include <fmt/chrono.h>

namespace reflux::run {
namespace {

struct Finished {
    evidence::Evidence evidence;
    verdict::Verdict verdict;
    std::string folder;
    verdict::Claim claim;
};

// Of this process: two runs of one second are told apart by the pid or the number.
std::string next_run_id() {
    static unsigned number = 0;
    const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    return fmt::format("{:%Y%m%dT%H%M%S}-{}-{}", fmt::gmtime(now), ::getpid(), ++number);
}

ExitCode code_of(const Finished& run) {
    return exit_code_of(verdict::to_string(run.verdict.outcome), run.verdict.met,
                        !run.evidence.leftovers.empty());
}

Result<Finished> run_one(const scenario::Scenario& scenario, const BatchOptions& options,
                         const std::optional<VmHost>& vm, const std::string& module, EventLoop& loop,
                         Console& console) {
    REFLUX_TRY(auto folder, make_run_folder(options.out, scenario,
                                            vm ? std::vector<std::string>{"--vm", vm->exact_kernel()}
                                               : std::vector<std::string>{}));
    console.begin(scenario.name);
    Finished run;
    run.folder = folder;
    run.claim = claim_of(scenario);
    run.evidence = vm ? vm->run(scenario, folder, loop, console)
                      : run_session({.scenario = scenario,
                                     .folder = folder,
                                     .state_root = journal::default_state_root(),
                                     .run_id = next_run_id(),
                                     .keep = options.keep,
                                     .reclaim_module = module},
                                    loop, console);
    run.verdict = verdict::judge(run.evidence);
    if (const auto written = write_results(folder, run.evidence, run.verdict); !written) {
        // The disk may be full by now; what was found out is not lost with it.
        fmt::print(stderr, "\n{}", report::explain(run.evidence, run.verdict));
        return fail(written.error());
    }
    return run;
}

// A control socket's path must fit into sockaddr_un, whatever folder the user chose for the state.
Status check_state_root() {
    const std::string longest = journal::default_state_root() + "/" + next_run_id() + "/control";
    constexpr std::size_t most = sizeof(sockaddr_un::sun_path) - 1;
    if (longest.size() > most) {
        return fail(
            ErrorKind::invalid_input,
            fmt::format("the control socket's path would be {} bytes long, a unix socket takes {}: {}; set "
                        "REFLUX_STATE to a shorter path",
                        longest.size(), most, longest));
    }
    return {};
}

Status check_host() {
    REFLUX_CHECK(probe::root());
    REFLUX_CHECK(check_state_root());
    // A page of ours that reclaim took would have to be read back while storage hangs.
    if (::mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        fmt::print(stderr, "reflux: {}; going on without\n", system_error("mlockall").message);
    }
    // Who judges must not be the one that is chosen; without the right to ask for it, it is outside of the
    // limits at least.
    static_cast<void>(protect_from_oom());
    return {};
}

Result<VmHost> prepare_vm(const BatchOptions& options, Console& console) {
    if (options.keep) {
        return fail(
            ErrorKind::invalid_input,
            "--keep leaves a stack standing on this machine; a guest goes with its run (scripts/vm shell "
            "gives one to work in)");
    }
    return VmHost::prepare(*options.vm, console);
}

// The prototype kernel module for this machine's own kernel: for those who have asked for it.
Result<std::string> host_module(Console& console) {
    REFLUX_TRY(const auto kernel, vm::running_kernel());
    return vm::reclaim_module_for(kernel, vm::default_cache(),
                                  [&](const std::string& text) { console.step(text); });
}

void print_run(const Finished& run, bool whole) {
    if (whole) {
        fmt::print("\n{}evidence: {}\n", report::explain(run.evidence, run.verdict), run.folder);
    }
    for (const auto& leftover : run.evidence.leftovers) {
        fmt::print("left behind: {}\n", leftover);
    }
}

// A batch has one kernel, whatever its name.
verdict::BatchRun batch_run(const Finished& run) {
    return {.scenario = run.evidence.scenario,
            .place = {.kernel = "", .cgroup = run.evidence.environment.cgroup_version},
            .outcome = std::string(verdict::to_string(run.verdict.outcome)),
            .foreseen = run.verdict.met && !run.verdict.expected.outcome.empty(),
            .claim = run.claim,
            .cost = verdict::cost_figures(run.evidence)};
}

std::vector<verdict::Tally> tally(const std::vector<Finished>& runs) {
    std::vector<verdict::BatchRun> batch;
    std::ranges::transform(runs, std::back_inserter(batch), batch_run);
    return verdict::tally(batch);
}

// One line a run.
void print_table(const std::vector<Finished>& runs, const std::vector<verdict::ProofOfCure>& proofs) {
    fmt::print("\n");
    for (const auto& run : runs) {
        const auto* proof = find_proof(proofs, batch_run(run));
        fmt::print("{}{}\n", report::one_line(run.evidence, run.verdict),
                   proof == nullptr ? "" : fmt::format(", {}", proof->word()));
    }
}

// How often each outcome came, where scenarios were repeated, what is proven of cures, and what it costs.
void print_text(const std::vector<Finished>& runs, bool table) {
    const auto batch = tally(runs);
    const auto proofs = verdict::prove_cures(batch);
    if (table) {
        print_table(runs, proofs);
    }
    for (const auto& line : verdict::summary(batch, proofs)) {
        fmt::print("{}\n", line);
    }
    for (const auto& line : verdict::cost_lines(verdict::compare_costs(batch))) {
        fmt::print("{}\n", line);
    }
}

void print_json(const std::vector<Finished>& runs) {
    const auto batch = tally(runs);
    const auto proofs = verdict::prove_cures(batch);
    const auto costs = verdict::compare_costs(batch);
    std::vector<std::string> elements;
    elements.reserve(runs.size());
    for (const auto& run : runs) {
        const auto json = report::verdict_json(run.evidence, run.verdict, run.folder);
        elements.push_back(report::with_batch(json, batch_run(run), proofs, costs));
    }
    fmt::print("[{}]\n", fmt::join(elements, ",\n"));
}

}  // namespace

ExitCode run_batch(const BatchOptions& options) {
    const auto scenarios = load_scenarios(options.scenarios, options.overrides, options.with_baseline);
    if (!scenarios) {
        return complain(scenarios.error());
    }
    Console console;
    EventLoop loop;
    const vm::Interruptible interruptible([&] { return loop.interrupted() != 0; });
    std::optional<VmHost> vm;
    if (options.vm) {
        auto prepared = prepare_vm(options, console);
        if (!prepared) {
            return complain(prepared.error());
        }
        vm = std::move(*prepared);
    } else if (const auto ready = check_host(); !ready) {
        return complain(ready.error());
    }
    std::string module;
    if (options.load_module && std::ranges::any_of(*scenarios, [](const scenario::Scenario& scenario) {
            return needs_reclaim_module(scenario);
        })) {
        auto compiled = host_module(console);
        if (!compiled) {
            return complain(compiled.error());
        }
        module = *std::move(compiled);
    }
    std::vector<Finished> runs;
    ExitCode code = ExitCode::met;
    const bool one = scenarios->size() == 1 && options.repeat == 1;
    bool failed = false;
    for (const auto& scenario : *scenarios) {
        for (unsigned n = 0; n < options.repeat && loop.interrupted() == 0 && !failed; ++n) {
            auto run = run_one(scenario, options, vm, module, loop, console);
            if (!run) {
                code = graver(code, complain(run.error()));
                failed = true;
                break;
            }
            code = graver(code, code_of(*run));
            if (!options.json) {
                print_run(*run, options.repeat == 1);
            }
            runs.push_back(std::move(*run));
        }
    }
    if (loop.interrupted() != 0) {
        code = graver(code, ExitCode::harness_failed);  // not all that was asked for was run
    }
    if (options.json) {
        print_json(runs);
    } else {
        print_text(runs, !one);
    }
    return code;
}

}  // namespace reflux::run
