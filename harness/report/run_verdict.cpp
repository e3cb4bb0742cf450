#include "harness/report/run_verdict.h"

#include "harness/report/json.h"
#include "harness/verdict/words.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace reflux::report {
namespace {

using Json = nlohmann::ordered_json;
using Strings = std::vector<std::string>;

// A key that is missing or null keeps its default; one of another type throws.
template <class Value>
void read(const Json& object, const char* key, Value& value) {
    if (const auto found = object.find(key); found != object.end() && !found->is_null()) {
        value = found->get<Value>();
    }
}

// Written out again it would be as deep a recursion. A verdict of this program has some 10 levels.
constexpr int most_levels = 100;
bool is_deeper_than(const Json& json, int levels) {
    const auto inner_is = [levels](const Json& inner) { return is_deeper_than(inner, levels - 1); };
    return json.is_structured() && (levels == 0 || std::any_of(json.begin(), json.end(), inner_is));
}

void read_relief(const Json& json, RunVerdict& verdict) {
    const auto found = json.find("relief");
    if (found == json.end() || found->is_null()) {
        return;
    }
    verdict.relief = found->at("rung").get<std::string>();
    if (const auto& after = found->at("after_s"); !after.is_null()) {
        verdict.relief_after_s = after.get<double>();
    }
}

void read_expected(const Json& json, evidence::Expectation& expected) {
    if (const auto found = json.find("expected"); found != json.end()) {
        expected.outcome = found->at("outcome").get<Strings>();
        expected.recursion = found->at("recursion").get<Strings>();
    }
}

void read_mitigations(const Json& json, std::vector<evidence::Mitigation>& mitigations) {
    if (const auto found = json.find("mitigations"); found != json.end()) {
        for (const auto& one : *found) {
            auto& mitigation = mitigations.emplace_back();
            read(one, "name", mitigation.name);
            read(one, "applied", mitigation.applied);
            read(one, "detail", mitigation.detail);
        }
    }
}

void read_guest(const Json& json, std::optional<evidence::Guest>& guest) {
    const auto found = json.find("guest");
    if (found == json.end() || found->is_null()) {
        return;
    }
    guest.emplace();
    read(*found, "accelerator", guest->accelerator);
    read(*found, "kernel", guest->kernel);
    read(*found, "boot_s", guest->boot_s);
    read(*found, "end", guest->end);
    read(*found, "detail", guest->detail);
    read(*found, "lost_before", guest->lost_before);
}

constexpr double most_seconds = 1e9;  // of a damaged file; 30 years
RunVerdict read_all_of(const Json& json) {
    RunVerdict verdict;
    verdict.outcome = json.at("outcome").get<std::string>();
    const auto& recursion = json.at("recursion");
    verdict.recursion = recursion.is_null() ? "unknown" : recursion.get<std::string>();
    verdict.reasons = json.at("reasons").get<Strings>();
    verdict.met = json.at("met").get<bool>();
    verdict.leftovers = json.at("leftovers").get<Strings>();
    read(json, "scenario", verdict.scenario);
    read(json, "cycle", verdict.cycle);
    read(json, "run_dir", verdict.run_dir);
    read(json, "duration_s", verdict.duration_s);
    verdict.duration_s = std::clamp(verdict.duration_s, 0.0, most_seconds);
    read(json, "kernel", verdict.kernel);
    read(json, "cgroup_version", verdict.cgroup);
    read(json, "upper_fs", verdict.upper_fs);
    read(json, "lower_fs", verdict.lower_fs);
    read(json, "front_end", verdict.front_end);
    read(json, "placement", verdict.placement);
    read(json, "engine", verdict.engine);
    read(json, "time_factor", verdict.time_factor);
    read_expected(json, verdict.expected);
    read_relief(json, verdict);
    read_mitigations(json, verdict.mitigations);
    read_guest(json, verdict.guest);
    return verdict;
}

}  // namespace

std::string RunVerdict::expected_words() const {
    if (!is_judged()) {
        return "";
    }
    auto words = expected.outcome.empty() ? "any outcome" : verdict::join(expected.outcome, " or ");
    if (!expected.recursion.empty()) {
        words += ", recursion " + verdict::join(expected.recursion, " or ");
    }
    return words;
}

std::optional<RunVerdict> parse_verdict(std::string_view text) {
    const auto json = Json::parse(text, nullptr, false);
    if (!json.is_object() || is_deeper_than(json, most_levels)) {
        return std::nullopt;
    }
    try {
        auto verdict = read_all_of(json);
        verdict.cost = cost_of(json);
        return verdict;
    } catch (const Json::exception&) {
        return std::nullopt;
    }
}

}  // namespace reflux::report
