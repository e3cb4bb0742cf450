#include "harness/run/matrix_cells.h"

#include "backend/base/kernel_file.h"
#include "backend/base/meminfo.h"
#include "harness/report/json.h"
#include "harness/report/run_verdict.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

namespace reflux::run {
namespace {

using Json = nlohmann::ordered_json;

constexpr Bytes guest_overhead = mebibytes(300);  // what QEMU takes beside the guest's memory
constexpr std::uint64_t memory_percent = 80;      // of what is available, for guests

std::string word_of(const GivenUp& given_up) {
    return given_up.code == ExitCode::harness_failed ? "failed" : "unsupported";
}

std::string counts_of(const std::vector<MatrixRun>& runs) {
    verdict::OutcomeCounts counts;
    for (const auto& run : runs) {
        ++counts[run.outcome];
    }
    return verdict::text_of(counts);
}

verdict::BatchRun batch_run(const Cell& cell, const MatrixRun& run) {
    return {.scenario = cell.scenario,
            .place = {.kernel = cell.kernel, .cgroup = run.cgroup},
            .outcome = run.outcome,
            .foreseen = run.foreseen,
            .claim = cell.claim,
            .cost = run.cost};
}

std::vector<verdict::ProofOfCure> proofs_of(const std::vector<Cell>& cells) {
    return verdict::prove_cures(tallies_of(cells));
}

// Of a cell with runs: ", cure unproven", or "" where it claims no cure. A guest may have another cgroup
// version than those before it: all that there are must prove the cure.
std::string proof_word(const Cell& cell, const std::vector<verdict::ProofOfCure>& proofs) {
    const verdict::ProofOfCure* weakest = nullptr;
    for (const auto& proof : proofs) {
        if (proof.scenario == cell.scenario && proof.place.kernel == cell.kernel &&
            (weakest == nullptr || proof.chance > weakest->chance)) {
            weakest = &proof;
        }
    }
    return weakest == nullptr ? "" : fmt::format("; {}", weakest->word());
}

bool misses(const MatrixRun& run) {
    return !run.met && !report::was_not_made(run.outcome);
}

std::string not_met(const std::vector<MatrixRun>& runs) {
    const auto count = std::ranges::count_if(runs, misses);
    return count > 0 ? fmt::format("; {} NOT MET", count) : "";
}

using Settings = std::map<std::string, std::string>;

// The last --set of a key is in force.
Settings settings_of(const std::vector<std::string>& overrides) {
    Settings settings;
    for (const auto& text : overrides) {
        const auto equals = text.find('=');
        settings[text.substr(0, equals)] = equals == std::string::npos ? "" : text.substr(equals + 1);
    }
    return settings;
}

// "memcg.limit=64MiB then, memcg.limit=128MiB now; workload.work=1GiB only then"
std::string differences(const Settings& then, const Settings& now) {
    std::vector<std::string> parts;
    for (const auto& [key, value] : then) {
        const auto other = now.find(key);
        if (other == now.end()) {
            parts.push_back(fmt::format("{}={} only then", key, value));
        } else if (other->second != value) {
            parts.push_back(fmt::format("{}={} then, {}={} now", key, value, key, other->second));
        }
    }
    for (const auto& [key, value] : now) {
        if (!then.contains(key)) {
            parts.push_back(fmt::format("{}={} only now", key, value));
        }
    }
    return fmt::format("{}", fmt::join(parts, "; "));
}

using Grid = std::vector<std::vector<std::string>>;

// Names in the order in which they first come.
std::vector<std::string> names(const std::vector<Cell>& cells, std::string Cell::*member) {
    std::vector<std::string> found;
    for (const auto& cell : cells) {
        if (std::ranges::find(found, cell.*member) == found.end()) {
            found.push_back(cell.*member);
        }
    }
    return found;
}

std::vector<std::string> padded(const Grid& grid) {
    std::vector<std::size_t> widths(grid.front().size());
    for (const auto& row : grid) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], row[i].size());
        }
    }
    std::vector<std::string> lines;
    for (const auto& row : grid) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += fmt::format("{:<{}}  ", row[i], widths[i]);
        }
        lines.push_back(trimmed(line));
    }
    return lines;
}

}  // namespace

std::optional<MatrixRun> parse_run(std::string_view json) {
    auto verdict = report::parse_verdict(json);
    if (!verdict) {
        return std::nullopt;
    }
    return MatrixRun{.outcome = verdict->outcome,
                     .recursion = verdict->recursion,
                     .reason = verdict->reasons.empty() ? "" : verdict->reasons.front(),
                     .met = verdict->met,
                     .left_behind = !verdict->leftovers.empty(),
                     .json = trimmed(json),
                     .cgroup = verdict->cgroup,
                     .foreseen = verdict->foreseen(),
                     .cost = std::move(verdict->cost),
                     .release = verdict->kernel,
                     // That of the boot before it included.
                     .time = Seconds(verdict->duration_s + (verdict->guest ? verdict->guest->boot_s : 0))};
}

std::optional<MatrixRun> parse_batch(std::string_view json) {
    const auto parsed = Json::parse(json, nullptr, false);
    return parsed.is_array() && parsed.size() == 1 ? parse_run(parsed[0].dump(2)) : std::nullopt;
}

std::vector<MatrixRun> read_finished(const std::string& cell_folder) {
    std::vector<MatrixRun> runs;
    for (const auto& name : list_directory(cell_folder).value_or(std::vector<std::string>{})) {
        const auto text = read_file(fmt::format("{}/{}/verdict.json", cell_folder, name));
        auto run = text ? parse_run(*text) : std::nullopt;
        if (run && !run->harness_failed()) {
            runs.push_back(std::move(*run));
        }
    }
    return runs;
}

std::string to_json(const MatrixRecord& record) {
    return Json{{"schema", 1},
                {"scenarios", record.scenarios},
                {"overrides", record.overrides},
                {"kernels", record.kernels},
                {"repeat", record.repeat}}
               .dump(2) +
           "\n";
}

Status check_same_overrides(std::string_view json, const MatrixRecord& now) {
    const auto parsed = Json::parse(json, nullptr, false);
    std::vector<std::string> overrides;
    try {
        overrides = parsed.at("overrides").get<std::vector<std::string>>();
    } catch (const Json::exception&) {
        return fail(ErrorKind::invalid_input, "it is not the record of a matrix; use another folder");
    }
    const auto differ = differences(settings_of(overrides), settings_of(now.overrides));
    if (differ.empty()) {
        return {};
    }
    return fail(ErrorKind::invalid_input,
                fmt::format("this matrix was begun with other overrides: {}; their runs cannot be counted "
                            "together, so use the same --set or another folder",
                            differ));
}

std::string first_difference(std::string_view then, std::string_view now) {
    const auto before = lines_of(then);
    const auto after = lines_of(now);
    const auto [a, b] = std::ranges::mismatch(before, after);
    if (a == before.end() && b == after.end()) {
        return "";
    }
    return fmt::format("'{}' then, '{}' now", a == before.end() ? "" : *a, b == after.end() ? "" : *b);
}

std::string folder_name(std::string_view kernel) {
    std::string name(kernel);
    std::ranges::replace(name, '/', '_');
    return name;
}

Result<std::vector<std::string>> parse_kernels(std::string_view list) {
    auto kernels = split(list, ',');
    if (kernels.empty()) {
        return fail(ErrorKind::invalid_input,
                    "--kernels is missing: on which kernels? For example --kernels 5.10,6.1,7.2");
    }
    std::set<std::string> seen;
    for (const auto& kernel : kernels) {
        if (kernel == "." || kernel == "..") {
            return fail(ErrorKind::invalid_input, fmt::format("--kernels: '{}' names no kernel", kernel));
        }
        if (!seen.insert(folder_name(kernel)).second) {
            return fail(ErrorKind::invalid_input,
                        fmt::format("--kernels: {} is there twice, or shares its folder {} with another",
                                    kernel, folder_name(kernel)));
        }
    }
    return kernels;
}

std::deque<MatrixJob> jobs_of(const std::vector<Cell>& cells) {
    unsigned most = 0;
    for (const auto& cell : cells) {
        most = std::max(most, cell.wanted);
    }
    std::deque<MatrixJob> jobs;
    for (const bool on_host : {false, true}) {
        for (unsigned number = 1; number <= most; ++number) {
            for (std::size_t i = 0; i < cells.size(); ++i) {
                const Cell& cell = cells[i];
                if (cell.on_host() == on_host && !cell.given_up && number > cell.finished.size() &&
                    number <= cell.wanted) {
                    jobs.push_back({.cell = i, .number = number});
                }
            }
        }
    }
    return jobs;
}

bool may_start(const Cell& next, const std::vector<Cell>& cells, unsigned at_once) {
    unsigned running = 0;
    bool alone = next.on_host();
    for (const auto& cell : cells) {
        running += cell.running;
        alone = alone || (cell.running > 0 && cell.on_host());
    }
    return running < (alone ? 1 : at_once);
}

unsigned guests_at_once(const std::vector<scenario::Scenario>& scenarios, unsigned cpus, Bytes available) {
    unsigned guest_cpus = 1;
    Bytes guest_memory;
    for (const auto& scenario : scenarios) {
        guest_cpus = std::max(guest_cpus, scenario.vm.cpus);
        guest_memory = std::max(guest_memory, scenario.vm.memory);
    }
    const std::uint64_t by_memory =
        available.value / 100 * memory_percent / (guest_memory + guest_overhead).value;
    return static_cast<unsigned>(std::clamp<std::uint64_t>(by_memory, 1, std::max(cpus / guest_cpus, 1U)));
}

Bytes available_memory(std::string_view meminfo) {
    return meminfo_field(meminfo, "MemAvailable").value_or(Bytes{});
}

std::string name_of(const Cell& cell, unsigned number) {
    return fmt::format("{} {} run {}/{}", cell.kernel, cell.scenario, number, cell.wanted);
}

std::string text_of(const MatrixRun& run) {
    return fmt::format("{}, recursion {}, {}, {:.0f} s{}", run.outcome, run.recursion,
                       run.met       ? "met"
                       : misses(run) ? "NOT MET"
                                     : "not run",
                       run.time.count(), run.harness_failed() ? ": " + run.reason : "");
}

std::string text_of(const Cell& cell) {
    const std::string counts = counts_of(cell.finished) + not_met(cell.finished);
    std::vector<std::string> parts;
    if (!counts.empty()) {
        parts.push_back(counts);
    }
    if (!cell.failed.empty()) {
        parts.push_back(fmt::format("{} harness_error", cell.failed.size()));
    }
    if (cell.running > 0) {
        parts.emplace_back("running");
    }
    if (cell.given_up) {
        parts.push_back(word_of(*cell.given_up));
    }
    std::string all = fmt::format("{}", fmt::join(parts, ", "));
    if (cell.complete() || (cell.given_up && cell.finished.empty() && cell.running == 0)) {
        return all;
    }
    return fmt::format("{}/{}{}{}", cell.finished.size(), cell.wanted, all.empty() ? "" : ": ", all);
}

std::vector<Reason> reasons_of(const std::vector<Cell>& cells) {
    std::vector<Reason> reasons;
    for (const auto& cell : cells) {
        const bool unsupported = !cell.finished.empty() && cell.finished.front().outcome == "unsupported";
        if (!cell.given_up && !unsupported) {
            continue;
        }
        const Reason own{.kernel = cell.kernel,
                         .text = cell.given_up ? cell.given_up->reason : cell.finished.front().reason,
                         .given_up = cell.given_up.has_value()};
        auto found = std::ranges::find_if(reasons, [&](const Reason& other) {
            return other.kernel == own.kernel && other.text == own.text && other.given_up == own.given_up;
        });
        if (found == reasons.end()) {
            found = reasons.insert(reasons.end(), own);
        }
        found->scenarios.push_back(cell.scenario);
    }
    return reasons;
}

std::vector<std::string> table_of(const std::vector<Cell>& cells) {
    const auto kernels = names(cells, &Cell::kernel);
    const auto proofs = proofs_of(cells);
    Grid grid{{"scenario"}};
    grid.front().insert(grid.front().end(), kernels.begin(), kernels.end());
    for (const auto& scenario : names(cells, &Cell::scenario)) {
        auto& row = grid.emplace_back(std::vector{scenario});
        for (const auto& cell : cells) {
            if (cell.scenario == scenario) {
                row.push_back(text_of(cell) + proof_word(cell, proofs));
            }
        }
    }
    auto lines = padded(grid);
    for (const auto& reason : reasons_of(cells)) {
        // A kernel that cannot be had is one of its whole column.
        lines.push_back(reason.given_up ? fmt::format("{}: {}", reason.kernel, reason.text)
                                        : fmt::format("{}: {}: {}", reason.kernel,
                                                      fmt::join(reason.scenarios, ", "), reason.text));
    }
    return lines;
}

std::vector<verdict::Tally> tallies_of(const std::vector<Cell>& cells) {
    std::vector<verdict::BatchRun> batch;
    for (const auto& cell : cells) {
        for (const auto& run : cell.finished) {
            batch.push_back(batch_run(cell, run));
        }
    }
    return verdict::tally(batch);
}

std::string trouble_of(const Cell& cell) {
    if (!cell.finished.empty()) {
        return "";
    }
    return cell.given_up ? word_of(*cell.given_up) : cell.failed.empty() ? "" : "harness_error";
}

std::vector<std::string> summary_of(const std::vector<Cell>& cells) {
    auto lines = verdict::summary(tallies_of(cells), proofs_of(cells));
    std::ranges::move(verdict::cost_lines(verdict::compare_costs(tallies_of(cells))),
                      std::back_inserter(lines));
    return lines;
}

std::string json_of(const std::vector<Cell>& cells) {
    const auto proofs = proofs_of(cells);
    const auto costs = verdict::compare_costs(tallies_of(cells));
    std::vector<std::string> elements;
    for (const auto& cell : cells) {
        for (const auto* runs : {&cell.finished, &cell.failed}) {
            for (const auto& run : *runs) {
                elements.push_back(report::with_batch(run.json, batch_run(cell, run), proofs, costs));
            }
        }
    }
    return fmt::format("[{}]", fmt::join(elements, ",\n"));
}

ExitCode exit_code_of(const std::vector<Cell>& cells) {
    ExitCode code = ExitCode::met;
    for (const auto& cell : cells) {
        for (const auto* runs : {&cell.finished, &cell.failed}) {
            for (const auto& run : *runs) {
                code = graver(code, exit_code_of(run.outcome, run.met, run.left_behind));
            }
        }
        if (cell.given_up) {
            code = graver(code, cell.given_up->code);
        }
    }
    return code;
}

}  // namespace reflux::run
