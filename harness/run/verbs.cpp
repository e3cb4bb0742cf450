#include "harness/run/verbs.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "harness/evidence/json.h"
#include "harness/journal/undo.h"
#include "harness/mitigation/mitigation.h"
#include "harness/probe/machine.h"
#include "harness/probe/probe.h"
#include "harness/report/dot.h"
#include "harness/report/json.h"
#include "harness/report/text.h"
#include "harness/run/fault.h"
#include "harness/run/requirements.h"
#include "harness/scenario/families.h"
#include "harness/scenario/front_ends.h"
#include "harness/scenario/keys.h"
#include "harness/scenario/load.h"
#include "harness/stack/front_end.h"
#include "harness/stack/kernel_modules.h"
#include "harness/verdict/verdict.h"
#include "harness/vm/accelerator.h"
#include "harness/vm/kernel.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <nlohmann/json.hpp>

namespace reflux::run {
namespace {

// Family by family; those of no family come last.
ExitCode list_scenarios() {
    const auto all = scenario::list_all();
    const auto print_family = [&](std::string_view id, std::string_view title) {
        bool headed = false;
        for (const auto& listed : all) {
            if (!listed.scenario || listed.scenario->family != id) {
                continue;
            }
            if (!std::exchange(headed, true)) {
                fmt::print(" {}{}{}\n", id, id.empty() ? "" : ": ", title);
            }
            fmt::print("  {:34} {}{}\n", listed.name,
                       is_not_reproduced(*listed.scenario) ? "(not reproduced) " : "",
                       listed.scenario->question);
        }
    };
    for (const auto& row : scenario::families) {
        print_family(row.id, row.title);
    }
    print_family("", "of no family");
    ExitCode code = ExitCode::met;
    for (const auto& listed : all) {
        if (!listed.scenario) {
            fmt::print("  {:34} does not load: {}\n", listed.name, listed.scenario.error().message);
            code = ExitCode::usage;
        }
    }
    return code;
}

ExitCode list_mitigations() {
    for (const auto& row : mitigation::table()) {
        fmt::print("  {:34} {} ({})\n", row.name, row.description, place_and_needs(row));
    }
    return ExitCode::met;
}

ExitCode list_front_ends() {
    for (const auto& row : scenario::front_ends) {
        fmt::print("  {:34} {}\n", row.name, row.description);
    }
    return ExitCode::met;
}

// As a scenario's file has them, with the names that --set takes.
ExitCode list_keys() {
    const scenario::Scenario defaults;
    std::string section = "?";
    for (const auto& key : scenario::keys()) {
        const auto dot = key.path.find('.');
        const auto of = dot == std::string::npos ? "" : key.path.substr(0, dot);
        if (of != section) {
            section = of;
            fmt::print(" {}\n", of.empty() ? "at the top of the file" : "[" + of + "]");
        }
        fmt::print("  {:34} {}\n  {:34} {}; default {}\n", key.path, key.meaning, "", key.takes,
                   key.print(defaults));
    }
    return ExitCode::met;
}

// What refluxd is made of, refluxd itself tells: {"engines": [{"name", "description"}], "faults": […]}.
ExitCode list_of_daemon(const std::string& key) {
    const auto result = run_command({refluxd_path(), "list"}, Seconds(10));
    if (!result) {
        return complain(result.error());
    }
    const auto lists = nlohmann::json::parse(result->output, nullptr, false);
    if (!result->exit || !result->exit->ok() || !lists.is_object() || !lists.contains(key)) {
        return complain({.message = fmt::format("refluxd list: {}", trimmed(result->output))});
    }
    for (const auto& row : lists[key]) {
        fmt::print("  {:34} {}\n", row.value("name", ""), row.value("description", ""));
    }
    return ExitCode::met;
}

// Signals to the daemon, and refluxd's own.
ExitCode list_faults() {
    for (const auto& row : signal_faults()) {
        fmt::print("  {:34} {}\n", row.name, row.description);
    }
    return list_of_daemon("faults");
}

// Virtual machines are no matter of one probe: what runs them is found out by booting one, once.
std::vector<probe::Finding> virtual_machines() {
    const std::string cache = vm::default_cache();
    const auto qemu = vm::find_qemu();
    std::vector<probe::Finding> findings{
        probe::finding_of("QEMU", qemu ? Status{} : Status(fail(qemu.error())), qemu.value_or(""))};
    const auto accelerator = vm::known_accelerator(cache);
    findings.push_back(
        {.name = "accelerator",
         .available = accelerator.has_value(),
         .detail = accelerator ? fmt::format("{}: {}", accelerator->name, accelerator->why) : "not tried yet",
         .hint = accelerator ? "" : "the first `run --vm` boots a guest and finds out"});
    std::vector<std::string> releases;
    for (const auto& kernel : vm::cached_kernels(cache)) {
        releases.push_back(kernel.release);
    }
    findings.push_back(
        {.name = "guest kernels",
         .available = !releases.empty(),
         .detail = releases.empty() ? "none in " + cache : fmt::format("{}", fmt::join(releases, ", ")),
         .hint = releases.empty() ? "`run --vm 6.1` downloads one" : ""});
    return findings;
}

// Those that need modules of the kernel.
std::vector<probe::Finding> front_ends() {
    std::vector<probe::Finding> findings;
    for (const auto& name : stack::front_end_names()) {
        const auto& modules = stack::find_front_end(name)->modules;
        Status loadable;
        for (const auto module : modules) {
            loadable = loadable ? stack::can_load_module(module) : std::move(loadable);
        }
        if (!modules.empty()) {
            findings.push_back(probe::finding_of("front end " + name, loadable,
                                                 fmt::format("{}", fmt::join(modules, ", "))));
        }
    }
    return findings;
}

}  // namespace

ExitCode probe_verb() {
    auto findings = probe::probe(image_folder());
    for (auto& finding : front_ends()) {
        findings.push_back(std::move(finding));
    }
    for (auto& finding : virtual_machines()) {
        findings.push_back(std::move(finding));
    }
    for (const auto& finding : findings) {
        fmt::print("{:4} {:28} {}{}\n", finding.available ? "yes" : "no", finding.name, finding.detail,
                   finding.hint.empty() ? "" : "; " + finding.hint);
    }
    return ExitCode::met;
}

ExitCode list_verb(const std::string& what) {
    ExitCode code = ExitCode::met;
    const auto section = [&](const std::string& name, auto&& print) {
        if (what.empty() || what == name) {
            fmt::print("{}:\n", name);
            code = std::max(code, print());
        }
    };
    section("scenarios", list_scenarios);
    section("mitigations", list_mitigations);
    section("faults", list_faults);
    section("engines", [] { return list_of_daemon("engines"); });
    section("front-ends", list_front_ends);
    section("keys", list_keys);
    return code;
}

ExitCode check_verb(const std::vector<std::string>& files) {
    std::vector<scenario::Listed> all;
    if (files.empty()) {
        all = scenario::list_all();
    }
    for (const auto& file : files) {
        all.push_back({.name = file, .scenario = scenario::load(file)});
    }
    ExitCode code = ExitCode::met;
    for (auto& [name, loaded] : all) {
        if (const auto known =
                mitigation::find_all(loaded ? loaded->mitigations : std::vector<std::string>{});
            !known) {
            loaded = fail(known.error().within(name));
        }
        for (auto* const check : {scenario::check_named, scenario::check_shipped}) {
            if (const auto right = loaded ? check(*loaded) : Status{}; !right) {
                loaded = fail(right.error());
            }
        }
        if (loaded) {
            fmt::print("ok    {}{}\n", name,
                       is_not_reproduced(*loaded)
                           ? fmt::format(" (not reproduced, {} tried)", loaded->tried.size())
                           : std::string());
        } else {
            fmt::print("wrong {}\n      {}\n", name, loaded.error().message);
            code = ExitCode::usage;
        }
    }
    return code;
}

ExitCode explain_verb(const std::string& folder, ExplainAs form) {
    const std::string file = folder + "/evidence.json";
    const auto text = read_file(file);
    if (!text) {
        return complain({.kind = ErrorKind::invalid_input,
                         .message = fmt::format("{}; give the folder of a run", text.error().message)});
    }
    const auto evidence = evidence::from_json(*text);
    if (!evidence) {
        return complain(evidence.error().within(file));
    }
    const auto verdict = verdict::judge(*evidence);
    switch (form) {
        case ExplainAs::text:
            fmt::print("{}", report::explain_whole(*evidence, verdict));
            break;
        case ExplainAs::json:
            fmt::print("[{}]\n", report::verdict_json(*evidence, verdict, folder));
            break;
        case ExplainAs::dot:
            fmt::print("{}", report::wait_graph_dot(*evidence, verdict, verdict::wait_graph(*evidence)));
            break;
    }
    return ExitCode::met;
}

ExitCode clean_verb() {
    if (const auto root = probe::root(); !root) {
        return complain(root.error());
    }
    ExitCode code = ExitCode::met;
    const auto folders = journal::Journal::folders(journal::default_state_root());
    for (const auto& folder : folders) {
        auto journal = journal::Journal::open(folder);
        if (!journal) {
            code = complain(journal.error());
            continue;
        }
        if (journal->owner_alive()) {
            fmt::print("{}: its run goes on, left alone\n", folder);
            continue;
        }
        fmt::print("{}: {} objects\n", folder, journal->objects().size());
        auto report = journal::undo(*journal, journal::Mode::escape);
        if (report.leftovers.empty()) {
            if (const auto removed = journal->remove(); !removed) {
                report.leftovers.push_back(removed.error().message);
            }
        }
        for (const auto& leftover : report.leftovers) {
            fmt::print("  left behind: {}\n", leftover);
            code = ExitCode::harness_failed;
        }
    }
    if (folders.empty()) {
        fmt::print("nothing to clean\n");
    }
    return code;
}

}  // namespace reflux::run
