#include "harness/run/scenarios.h"

#include "harness/mitigation/mitigation.h"

#include <algorithm>

namespace reflux::run {
namespace {

using Scenarios = std::vector<scenario::Scenario>;
using Overrides = std::vector<scenario::Override>;

Status check_mitigations(const scenario::Scenario& scenario) {
    for (const auto& mitigation : scenario.mitigations) {
        if (const auto known = mitigation::find(mitigation); !known) {
            return fail(known.error().within(scenario.file));
        }
    }
    return {};
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
    for (const auto& name : names) {
        REFLUX_TRY(auto loaded, scenario::load(name, overrides));
        scenarios.push_back(std::move(loaded));
    }
    for (std::size_t i = 0; with_baselines && i < scenarios.size(); ++i) {
        // By value: what is added may move them. It may name others in turn: a baseline its control.
        const auto named_by = scenarios[i];
        REFLUX_CHECK(add_named(named_by, named_by.baseline, overrides, scenarios));
        REFLUX_CHECK(add_named(named_by, named_by.control, without_limits(overrides), scenarios));
    }
    REFLUX_CHECK(check_names(scenarios));
    for (const auto& one : scenarios) {
        REFLUX_CHECK(check_mitigations(one));
    }
    return scenarios;
}

verdict::Claim claim_of(const scenario::Scenario& scenario) {
    return {.cure = is_cure(scenario), .baseline = scenario.baseline, .control = scenario.control};
}

}  // namespace reflux::run
