#include "harness/report/counted.h"

#include "backend/base/kernel_file.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace reflux::report {
namespace {

// The kernels of runs that know theirs, by what was asked for.
using Releases = std::map<std::string, std::set<std::string>>;

Releases releases_of(const std::vector<Run>& runs) {
    Releases releases;
    for (const auto& run : runs) {
        if (run.verdict.guest && !run.verdict.kernel.empty()) {
            releases[run.verdict.guest->kernel].insert(run.verdict.kernel);
        }
    }
    return releases;
}

std::string kernel_of(const RunVerdict& verdict, const Releases& releases) {
    if (!verdict.guest) {
        return (verdict.kernel.empty() ? "unknown" : verdict.kernel) + " (host)";
    }
    if (!verdict.kernel.empty()) {
        return verdict.kernel;
    }
    const auto found = releases.find(verdict.guest->kernel);
    const bool only_one = found != releases.end() && found->second.size() == 1;
    return only_one ? *found->second.begin() : verdict.guest->kernel;
}

// "memcg.limit" -> "128MiB" of each line of a TOML text with a value a line.
std::map<std::string, std::string> values_of(const std::string& definition) {
    std::map<std::string, std::string> values;
    std::string section;
    for (const auto& line : lines_of(definition)) {
        const auto equals = line.find(" = ");
        if (line.starts_with('[') && equals == std::string::npos) {
            section = line.substr(1, line.find(']') - 1) + ".";
        } else if (equals != std::string::npos) {
            auto value = line.substr(equals + 3);
            std::erase(value, '"');
            values[section + line.substr(0, equals)] = value;
        }
    }
    return values;
}

// By scenario, what the name of each definition is; the most frequent has the scenario's own.
using Names = std::map<std::pair<std::string, std::string>, std::string>;

std::string name_of_variant(const std::string& scenario, const std::string& main,
                            const std::string& definition) {
    constexpr std::size_t most = 3;
    auto keys = different_keys(main, definition);
    if (keys.size() > most) {
        const auto more = keys.size() - most;
        keys.resize(most);
        keys.push_back(fmt::format("and {} more", more));
    }
    return fmt::format("{} [{}]", scenario, verdict::join(keys, ", "));
}

Names names_of(const std::vector<Run>& runs) {
    std::map<std::string, std::map<std::string, unsigned>> counts;  // by scenario, by definition
    for (const auto& run : runs) {
        if (!run.facts->definition.empty()) {
            ++counts[run.verdict.scenario][run.facts->definition];
        }
    }
    Names names;
    for (const auto& [scenario, definitions] : counts) {
        const auto& main =
            std::ranges::max_element(definitions, {}, [](const auto& one) { return one.second; })->first;
        std::set<std::string> taken;
        for (const auto& [definition, runs_of_it] : definitions) {
            auto name = definition == main ? scenario : name_of_variant(scenario, main, definition);
            for (int n = 2; !taken.insert(name).second; ++n) {
                name = fmt::format("{} [variant {}]", scenario, n);
            }
            names[{scenario, definition}] = name;
        }
    }
    return names;
}

// A definition's part that presses: no cure is one by pressing less. What the scenarios' own cures change
// (placement, engine, front end) is not in it.
std::map<std::string, std::string> conditions_of(const std::string& definition) {
    auto values = values_of(definition);
    std::erase_if(values, [](const auto& one) {
        const std::string& key = one.first;
        return key != "memcg.limit" && !key.starts_with("workload.") && !key.starts_with("pressure.") &&
               !key.starts_with("fault.");
    });
    return values;
}

// What a variant claims is of scenarios that differ in the same.
verdict::Claim claim_of(const ScenarioFacts& facts, const std::string& difference,
                        const std::set<std::string>& names) {
    auto claim = facts.claim;
    claim.conditions = conditions_of(facts.definition);
    if (difference.empty()) {
        return claim;
    }
    if (!claim.baseline.empty()) {
        claim.baseline += difference;
    }
    if (names.contains(claim.control + difference)) {
        claim.control += difference;
    }
    return claim;
}

std::vector<verdict::BatchRun> batch_of(const std::vector<Run>& runs) {
    const auto releases = releases_of(runs);
    const auto names = names_of(runs);
    std::set<std::string> all_names;
    std::ranges::transform(names, std::inserter(all_names, all_names.end()),
                           [](const auto& one) { return one.second; });
    std::vector<verdict::BatchRun> batch;
    batch.reserve(runs.size());
    for (const auto& run : runs) {
        const auto& scenario = run.verdict.scenario;
        const auto found = names.find({scenario, run.facts->definition});
        const auto name = found == names.end() ? scenario + " [definition unknown]" : found->second;
        batch.push_back({.scenario = name,
                         .place = {.kernel = kernel_of(run.verdict, releases), .cgroup = run.verdict.cgroup},
                         .outcome = run.verdict.outcome,
                         .foreseen = run.verdict.foreseen(),
                         .claim = claim_of(*run.facts, name.substr(scenario.size()), all_names),
                         .cost = run.verdict.cost});
    }
    return batch;
}

// A tally stands for one scenario at one place. A run that does not know its cgroup version was counted with
// the first of its scenario and kernel.
std::vector<Cell> cells_of(const std::vector<Run>& runs, const Counted& counted) {
    using Key = std::tuple<std::string, std::string, std::string>;
    std::map<Key, std::size_t> by_place;
    for (std::size_t i = 0; i < counted.tallies.size(); ++i) {
        const auto& [scenario, place] = std::tie(counted.tallies[i].scenario, counted.tallies[i].place);
        by_place.emplace(Key(scenario, place.kernel, place.cgroup), i);
        by_place.emplace(Key(scenario, place.kernel, ""), i);
    }
    std::vector<Cell> cells(counted.tallies.size());
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const auto& run = counted.batch[i];
        auto& cell = cells[by_place.at(Key(run.scenario, run.place.kernel, run.place.cgroup))];
        cell.runs.push_back(i);
        cell.missed += runs[i].verdict.misses() ? 1 : 0;
    }
    return cells;
}

template <class Row>
const Row* find(const std::vector<Row>& rows, const verdict::Tally& tally) {
    const auto found = std::ranges::find_if(
        rows, [&](const Row& row) { return row.scenario == tally.scenario && row.place == tally.place; });
    return found == rows.end() ? nullptr : &*found;
}

}  // namespace

std::vector<std::string> different_keys(const std::string& from, const std::string& definition) {
    const auto before = values_of(from);
    const auto values = values_of(definition);
    std::vector<std::string> keys;
    for (const auto& [key, value] : values) {
        if (const auto found = before.find(key); found == before.end() || found->second != value) {
            keys.push_back(fmt::format("{}={}", key, value));
        }
    }
    for (const auto& [key, value] : before) {
        if (!values.contains(key)) {
            keys.push_back(key + " gone");
        }
    }
    return keys;
}

const verdict::ProofOfCure* Counted::proof_of(const verdict::Tally& tally) const {
    return find(proofs, tally);
}

const verdict::CostSummary* Counted::cost_of(const verdict::Tally& tally) const {
    return find(costs, tally);
}

Counted count(const std::vector<Run>& runs) {
    Counted counted;
    counted.batch = batch_of(runs);
    counted.tallies = verdict::tally(counted.batch);
    counted.cells = cells_of(runs, counted);
    counted.proofs = verdict::prove_cures(counted.tallies);
    counted.costs = verdict::compare_costs(counted.tallies);
    return counted;
}

}  // namespace reflux::report
