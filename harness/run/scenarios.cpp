#include "harness/run/scenarios.h"

#include "backend/base/kernel_file.h"
#include "harness/run/own_files.h"
#include "harness/run/remedies.h"
#include "harness/scenario/front_ends.h"

#include <algorithm>
#include <filesystem>
#include <utility>

namespace reflux::run {
namespace {

using Scenarios = std::vector<scenario::Scenario>;
using Overrides = std::vector<scenario::Override>;

// "NAME+a+b" is NAME under mitigations a and b, with nothing expected of it: a cure of NAME, where that is
// none itself. A file's name may have a '+' of its own.
struct Asked {
    std::string scenario;
    std::string mitigations;  // "a+b"; empty: its own
};
Asked asked_of(const std::string& name) {
    const std::size_t folder_end = name.rfind('/') == std::string::npos ? 0 : name.rfind('/');
    const std::size_t plus = name.find('+', folder_end);
    if (plus == std::string::npos || name.ends_with(".toml")) {
        return {.scenario = name, .mitigations = {}};
    }
    return {.scenario = name.substr(0, plus), .mitigations = name.substr(plus + 1)};
}

// "all" stands for every scenario of the search path, "all+a" for each under mitigation a.
std::vector<std::string> with_all(const std::vector<std::string>& names) {
    std::vector<std::string> expanded;
    for (const auto& name : names) {
        if (asked_of(name).scenario != all_scenarios) {
            expanded.push_back(name);
            continue;
        }
        for (const auto& one : scenario::names()) {
            expanded.push_back(one + name.substr(all_scenarios.size()));
        }
    }
    return expanded;
}

scenario::Scenario variant_of(scenario::Scenario scenario, const std::string& mitigations) {
    if (!is_cure(scenario)) {
        scenario.baseline = scenario.name;
    }
    scenario.because = fmt::format("{} as the command line asks for it: nothing is expected.", scenario.name);
    scenario.name += "+" + mitigations;
    scenario.mitigations = split(mitigations, '+');
    scenario.expect = {};
    scenario.expect_v2 = {};
    scenario.expect_with_function.clear();
    scenario.expect_with = {};
    // What was tried was tried without them.
    scenario.status = scenario::Scenario{}.status;
    scenario.tried.clear();
    return scenario;
}

Result<scenario::Scenario> load_asked(const std::string& name, const Overrides& overrides) {
    const auto asked = asked_of(name);
    REFLUX_TRY(auto loaded, scenario::load(asked.scenario, overrides));
    if (asked.mitigations.empty()) {
        return asked.scenario == name
                   ? Result<scenario::Scenario>(std::move(loaded))
                   : fail(ErrorKind::invalid_input, fmt::format("{}: no mitigation behind the '+'", name));
    }
    return variant_of(std::move(loaded), asked.mitigations);
}

Result<scenario::Scenario> under_mitigations(const scenario::Scenario& scenario) {
    const auto rows = mitigation::find_all(scenario.mitigations);
    if (!rows) {
        return fail(rows.error().within(scenario.file));
    }
    if (!rows->empty() && !scenario::has_daemon(scenario.stack.front_end)) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("{} runs no daemon, and mitigations are applied to it", scenario.name));
    }
    return with_effects(scenario, *rows);
}

// Batches count by names.
Status check_names(const Scenarios& scenarios) {
    for (const auto& one : scenarios) {
        for (const auto& other : scenarios) {
            if (one.name == other.name && to_toml(one) != to_toml(other)) {
                return fail(ErrorKind::invalid_input,
                            fmt::format("{} and {} have one name and differ; their runs could not be told "
                                        "apart, so rename one",
                                        one.file, other.file));
            }
        }
    }
    return {};
}

// Unless one of that name is there, or there is no name.
Status add_named(const scenario::Scenario& by, const std::string& name, const Overrides& overrides,
                 Scenarios& scenarios) {
    if (name.empty() || std::ranges::find(scenarios, name, &scenario::Scenario::name) != scenarios.end()) {
        return {};
    }
    REFLUX_TRY(auto named, load_named(by, name, overrides));
    scenarios.push_back(std::move(named));
    return {};
}

// A control is what it is by its lack of a limit.
Overrides without_limits(Overrides overrides) {
    std::erase_if(overrides, [](const scenario::Override& override) {
        return override.key == "memcg.limit" || override.key == "memcg.daemon_limit";
    });
    return overrides;
}

}  // namespace

Result<Scenarios> load_scenarios(const std::vector<std::string>& names,
                                 const std::vector<std::string>& settings, bool with_baselines) {
    Overrides overrides;
    for (const auto& text : settings) {
        REFLUX_TRY(auto parsed, scenario::parse_override(text));
        overrides.push_back(std::move(parsed));
    }
    Scenarios scenarios;
    for (const auto& name : with_all(names)) {
        REFLUX_TRY(auto loaded, load_asked(name, overrides));
        scenarios.push_back(std::move(loaded));
    }
    for (std::size_t i = 0; with_baselines && i < scenarios.size(); ++i) {
        // By value: what is added may move them. It may name others in turn: a baseline its control.
        const auto named_by = scenarios[i];
        REFLUX_CHECK(add_named(named_by, named_by.baseline, overrides, scenarios));
        REFLUX_CHECK(add_named(named_by, named_by.control, without_limits(overrides), scenarios));
    }
    REFLUX_CHECK(check_names(scenarios));
    std::error_code error;
    const auto here = std::filesystem::current_path(error).string();
    for (auto& one : scenarios) {
        REFLUX_TRY(one, under_mitigations(one));
        one.daemon = with_files_of(std::move(one.daemon), here);
    }
    return scenarios;
}

std::vector<std::string> under_each(const std::vector<std::string>& scenarios,
                                    const std::vector<std::string>& mitigations) {
    if (mitigations.empty()) {
        return scenarios;
    }
    std::vector<std::string> names;
    for (const auto& scenario : scenarios) {
        for (const auto& mitigation : mitigations) {
            names.push_back(fmt::format("{}+{}", scenario, mitigation));
        }
    }
    return names;
}

verdict::Claim claim_of(const scenario::Scenario& scenario) {
    return {.cure = is_cure(scenario), .baseline = scenario.baseline, .control = scenario.control};
}

}  // namespace reflux::run
