#include "harness/run/sweep.h"

#include "backend/base/kernel_file.h"
#include "harness/mitigation/mitigation.h"
#include "harness/run/scenarios.h"
#include "harness/verdict/cost.h"
#include "harness/verdict/cure.h"

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

// The runs of a sweep as the rest of the program counts them.
struct Counts {
    std::vector<verdict::Tally> tallies;
    std::vector<verdict::ProofOfCure> proofs;
    std::vector<verdict::CostSummary> costs;

    // A scenario has one place in a kernel's column, unless guests of several cgroup versions were asked for.
    [[nodiscard]] const verdict::Tally* of(const std::string& scenario, const std::string& kernel) const {
        const auto found = std::ranges::find_if(tallies, [&](const verdict::Tally& tally) {
            return tally.scenario == scenario && tally.place.kernel == kernel;
        });
        return found == tallies.end() ? nullptr : &*found;
    }
    // "; throughput 0.12, …"; "" where nothing was measured.
    [[nodiscard]] std::string cost(const verdict::Tally& tally) const {
        const auto found = std::ranges::find_if(costs, [&](const verdict::CostSummary& summary) {
            return summary.scenario == tally.scenario && summary.place == tally.place;
        });
        return found == costs.end() ? "" : "; " + verdict::short_line(*found);
    }
    [[nodiscard]] bool proven(const std::string& scenario, const std::string& kernel) const {
        const auto found = std::ranges::find_if(proofs, [&](const verdict::ProofOfCure& proof) {
            return proof.scenario == scenario && proof.place.kernel == kernel;
        });
        return found != proofs.end() && found->proven;
    }
};

bool always_completes(const verdict::Tally* tally) {
    return tally != nullptr && tally->runs > 0 && tally->of(verdict::Outcome::completes) == tally->runs;
}

// One run that stalls, or that lost its daemon or its data, shows that there is no cure. That all complete
// shows one only where chance would hardly have it so (verdict/cure.h). Slow is neither: it went on, but
// missed a time budget that is the scenario's.
std::string mark(bool cures, const verdict::Tally& here, bool proven) {
    const unsigned slow = here.of(verdict::Outcome::slow);
    const unsigned undecided = here.of(verdict::Outcome::inconclusive);
    if (here.of(verdict::Outcome::completes) + slow + undecided < here.runs) {
        return cures ? "**refuted**" : "confirmed";
    }
    if (slow + undecided > 0) {
        return slow > 0 ? "undecided, slow" : "undecided";
    }
    return cures ? (proven ? "confirmed" : "so far") : proven ? "**refuted**" : "not so far";
}

// What was predicted of a mitigation, beside what came out; "" where nothing was.
std::string prediction(const scenario::Family& family, const std::string& mitigation,
                       const verdict::Tally& here, const Counts& counts) {
    const bool cures = has(family.cures, mitigation);
    if (!cures && !has(family.leaves, mitigation)) {
        return "";
    }
    const auto& kernel = here.place.kernel;
    const auto* baseline = counts.of(family.id, kernel);
    if (baseline == nullptr || baseline->troubled == 0) {
        return "; its baseline was not seen to stall";
    }
    if (!always_completes(counts.of(control_name(family), kernel))) {
        return "; its control was not seen to complete";
    }
    return fmt::format("; predicted to {}: {}", cures ? "cure" : "leave it",
                       mark(cures, here, counts.proven(here.scenario, kernel)));
}

// "2/3 stalls: 2 deadlock, 1 slow; recursion upper; throughput 0.12; predicted to cure: refuted".
std::string text_of(const scenario::Family& family, const std::string& mitigation, const Cell* cell,
                    const Counts& counts) {
    const auto* tally = cell == nullptr ? nullptr : counts.of(cell->scenario, cell->kernel);
    if (tally == nullptr || tally->runs == 0) {
        const std::string trouble = cell == nullptr ? "" : trouble_of(*cell);
        return !trouble.empty()                       ? trouble
               : tally != nullptr                     ? "unsupported"
               : cell != nullptr && cell->running > 0 ? "running"
                                                      : "-";
    }
    std::set<std::string> recursions;
    for (const auto& run : cell->finished) {
        recursions.insert(run.recursion);
    }
    return fmt::format("{}/{} stalls: {}; recursion {}{}{}", tally->stalls(), tally->runs,
                       verdict::text_of(tally->made), fmt::join(recursions, ", "), counts.cost(*tally),
                       prediction(family, mitigation, *tally, counts));
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
    for (const auto& family : sweep.families) {
        for (const auto* predictions : {&family.cures, &family.leaves}) {
            for (const auto& name : *predictions) {
                if (!has(all, name)) {
                    return fail(
                        ErrorKind::invalid_input,
                        fmt::format("{}: a prediction of '{}', which is none of the sweep's mitigations: {}",
                                    family.id, name, fmt::join(all, ", ")));
                }
            }
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
    const auto tallies = tallies_of(cells);
    const Counts counts{.tallies = tallies,
                        .proofs = verdict::prove_cures(tallies),
                        .costs = verdict::compare_costs(tallies)};
    Names lines;
    for (const auto& kernel : kernels) {
        Names head{kernel};
        std::ranges::transform(sweep.families, std::back_inserter(head), &scenario::Family::title);
        lines.push_back(fmt::format("| {} |", fmt::join(head, " | ")));
        lines.push_back(fmt::format("|{}", fmt::join(Names(head.size(), "---|"), "")));
        for (const auto& row : rows) {
            Names line{row};
            for (const auto& family : sweep.families) {
                line.push_back(
                    text_of(family, row, find_cell(cells, kernel, scenario_name(family, row)), counts));
            }
            lines.push_back(fmt::format("| {} |", fmt::join(line, " | ")));
        }
        lines.emplace_back();
        for (const auto& reason : reasons_of(cells)) {
            if (reason.kernel == kernel) {
                lines.push_back(fmt::format("- {}: {}", fmt::join(reason.scenarios, ", "), reason.text));
            }
        }
    }
    return lines;
}

}  // namespace reflux::run
