#include "harness/run/sweep.h"

#include "backend/base/kernel_file.h"
#include "harness/mitigation/mitigation.h"
#include "harness/run/scenarios.h"
#include "harness/verdict/tally.h"

#include <algorithm>
#include <set>

namespace reflux::run {
namespace {

using Names = std::vector<std::string>;

constexpr const char* nothing = "none";  // the row without a mitigation

bool has(const Names& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
}

std::string scenario_name(const scenario::Family& family, const std::string& mitigation) {
    return mitigation == nothing ? family.id : family.id + "+" + mitigation;
}

std::string control_name(const scenario::Family& family) {
    return family.id + "-control";
}

Names settings_of(const scenario::Family& family, const Names& overrides) {
    Names settings = family.set;
    settings.insert(settings.end(), overrides.begin(), overrides.end());
    return settings;
}

const Cell* find_cell(const std::vector<Cell>& cells, const std::string& kernel,
                      const std::string& scenario) {
    const auto cell = std::ranges::find_if(
        cells, [&](const Cell& other) { return other.kernel == kernel && other.scenario == scenario; });
    return cell == cells.end() ? nullptr : &*cell;
}

struct Counted {
    std::size_t made = 0;
    std::size_t troubled = 0;
    verdict::OutcomeCounts outcomes;
    std::set<std::string> recursions;
};

// Slow counts as trouble: a family's baseline that is slow is what the cure is for.
Counted count(const Cell& cell) {
    Counted counted;
    for (const auto& run : cell.finished) {
        ++counted.outcomes[run.outcome];
        if (run.outcome != "unsupported") {
            ++counted.made;
            counted.troubled += run.outcome == "completes" ? 0 : 1;
            counted.recursions.insert(run.recursion);
        }
    }
    return counted;
}

// What was predicted of a mitigation, beside what came out; "" where nothing was, or nothing can be said.
std::string prediction(const scenario::Family& family, const std::string& mitigation, const Counted& here,
                       const Counted& baseline) {
    const bool cures = has(family.cures, mitigation);
    if ((!cures && !has(family.leaves, mitigation)) || here.made == 0) {
        return "";
    }
    if (baseline.troubled == 0) {
        return "; the baseline was not troubled";
    }
    const bool as_predicted = cures ? here.troubled == 0 : here.troubled > 0;
    return fmt::format("; predicted to {}: {}", cures ? "cure" : "leave it",
                       as_predicted ? "confirmed" : "**refuted**");
}

std::string text_of(const scenario::Family& family, const std::string& mitigation, const Cell* cell,
                    const Cell* baseline) {
    if (cell == nullptr || (cell->finished.empty() && !cell->given_up)) {
        return cell != nullptr && cell->running > 0 ? "running" : "-";
    }
    const Counted here = count(*cell);
    if (here.made == 0) {
        return "unsupported";
    }
    return fmt::format(
        "{}/{}: {}; {}{}", here.troubled, here.made, verdict::text_of(here.outcomes),
        fmt::join(here.recursions, ", "),
        prediction(family, mitigation, here, baseline == nullptr ? Counted{} : count(*baseline)));
}

// A reason once, with the rows that have it.
void add_reasons(const std::vector<Cell>& cells, const std::string& kernel, Names& lines) {
    std::vector<std::pair<std::string, Names>> reasons;
    const auto add = [&](const std::string& reason, const std::string& name) {
        auto found = std::ranges::find(reasons, reason, &std::pair<std::string, Names>::first);
        if (found == reasons.end()) {
            found = reasons.insert(reasons.end(), {reason, {}});
        }
        found->second.push_back(name);
    };
    for (const auto& cell : cells) {
        if (cell.kernel == kernel && cell.given_up) {
            add(cell.given_up->reason, cell.scenario);
        } else if (cell.kernel == kernel && !cell.finished.empty() &&
                   cell.finished.front().outcome == "unsupported") {
            add(cell.finished.front().reason, cell.scenario);
        }
    }
    for (const auto& [reason, names] : reasons) {
        lines.push_back(fmt::format("- {}: {}", fmt::join(names, ", "), reason));
    }
}

}  // namespace

Result<Names> mitigations_of(const scenario::Sweep& sweep, const Names& only) {
    Names all;
    for (const auto& name : sweep.mitigations) {
        if (name == "*") {
            std::ranges::transform(mitigation::table(), std::back_inserter(all), &mitigation::Row::name);
        } else {
            const auto rows = mitigation::find_all({name});
            REFLUX_CHECK(rows ? Status{} : Status(fail(rows.error())));
            all.push_back(name);
        }
    }
    for (const auto& name : only) {
        if (!has(all, name)) {
            return fail(ErrorKind::invalid_input, fmt::format("'{}' is none of the sweep's mitigations: {}",
                                                              name, fmt::join(all, ", ")));
        }
    }
    return only.empty() ? all : only;
}

Status keep_families(const Names& ids, scenario::Sweep& sweep) {
    for (const auto& id : ids) {
        if (std::ranges::find(sweep.families, id, &scenario::Family::id) == sweep.families.end()) {
            Names all;
            std::ranges::transform(sweep.families, std::back_inserter(all), &scenario::Family::id);
            return fail(ErrorKind::invalid_input,
                        fmt::format("'{}' is none of the sweep's families: {}", id, fmt::join(all, ", ")));
        }
    }
    std::erase_if(sweep.families, [&](const scenario::Family& family) { return !has(ids, family.id); });
    return {};
}

Result<std::vector<scenario::Scenario>> scenarios_of(const scenario::Sweep& sweep, const Names& mitigations,
                                                     const Names& overrides) {
    std::vector<scenario::Scenario> scenarios;
    for (const auto& family : sweep.families) {
        Names names{family.scenario};
        std::ranges::copy(under_each({family.scenario}, mitigations), std::back_inserter(names));
        REFLUX_TRY(auto loaded, load_scenarios(names, settings_of(family, overrides), true));
        const std::string control = loaded.front().control;
        const auto renamed = [&](const std::string& name) {
            return name.empty()      ? ""
                   : name == control ? control_name(family)
                                     : family.id + name.substr(family.scenario.size());
        };
        for (auto& scenario : loaded) {
            for (std::string* name : {&scenario.name, &scenario.baseline, &scenario.control}) {
                *name = renamed(*name);
            }
            scenarios.push_back(std::move(scenario));
        }
    }
    return scenarios;
}

Names table_of(const scenario::Sweep& sweep, const Names& mitigations, const std::vector<Cell>& cells) {
    Names kernels;
    for (const auto& cell : cells) {
        if (!has(kernels, cell.kernel)) {
            kernels.push_back(cell.kernel);
        }
    }
    Names rows{nothing};
    rows.insert(rows.end(), mitigations.begin(), mitigations.end());
    Names lines;
    for (const auto& kernel : kernels) {
        Names head{kernel};
        std::ranges::transform(sweep.families, std::back_inserter(head), &scenario::Family::title);
        lines.push_back(fmt::format("| {} |", fmt::join(head, " | ")));
        lines.push_back(fmt::format("|{}", fmt::join(Names(head.size(), "---|"), "")));
        for (const auto& row : rows) {
            Names line{row};
            for (const auto& family : sweep.families) {
                line.push_back(text_of(family, row, find_cell(cells, kernel, scenario_name(family, row)),
                                       find_cell(cells, kernel, family.id)));
            }
            lines.push_back(fmt::format("| {} |", fmt::join(line, " | ")));
        }
        lines.emplace_back();
        add_reasons(cells, kernel, lines);
    }
    return lines;
}

}  // namespace reflux::run
