#include "harness/report/json.h"

#include <nlohmann/json.hpp>

namespace reflux::report {
namespace {

using Json = nlohmann::ordered_json;

Json relief_json(const verdict::Verdict& verdict) {
    if (!verdict.relief) {
        return nullptr;
    }
    Json relief;
    relief["rung"] = verdict.relief->rung;
    relief["after_s"] = verdict.relief->after_s ? Json(*verdict.relief->after_s) : Json(nullptr);
    return relief;
}

Json mitigations_json(const evidence::Evidence& evidence) {
    Json list = Json::array();
    for (const evidence::Mitigation& mitigation : evidence.mitigations) {
        list.push_back(
            {{"name", mitigation.name}, {"applied", mitigation.applied}, {"detail", mitigation.detail}});
    }
    return list;
}

Json guest_json(const evidence::Evidence& evidence) {
    if (!evidence.guest) {
        return nullptr;
    }
    const evidence::Guest& guest = *evidence.guest;
    return {{"accelerator", guest.accelerator}, {"kernel", guest.kernel},
            {"boot_s", guest.boot_s},           {"end", guest.end},
            {"detail", guest.detail},           {"lost_before", guest.lost_before}};
}

Json proof_json(const verdict::Verdict& verdict) {
    if (!verdict.proof) {
        return nullptr;
    }
    const verdict::Proof& proof = *verdict.proof;
    return {{"tid", proof.tid},
            {"thread", proof.thread},
            {"state", std::string(1, proof.state)},
            {"watched_s", proof.watched_s},
            {"switches", proof.switches},
            {"cpu_ticks", proof.cpu_ticks},
            {"stack", proof.stack},
            {"deciding", proof.deciding},
            {"gfp_flags", proof.gfp_flags},
            {"last_event", proof.last_event},
            {"reclaims", proof.reclaims},
            {"slab_shrinks", proof.slab_shrinks},
            {"upper_events", proof.upper_events},
            {"lower_events", proof.lower_events},
            {"throttles", proof.throttles}};
}

Json recursion_proof_json(const verdict::Verdict& verdict) {
    if (!verdict.recursion_proof) {
        return nullptr;
    }
    const verdict::RecursionProof& proof = *verdict.recursion_proof;
    return {{"tid", proof.tid},
            {"thread", proof.thread},
            {"kind", proof.kind},
            {"upper", proof.upper},
            {"mask", proof.mask},
            {"order", proof.order ? Json(*proof.order) : Json(nullptr)},
            {"begin_s", proof.begin_s},
            {"duration_s", proof.duration_s ? Json(*proof.duration_s) : Json(nullptr)},
            {"ended", proof.ended},
            {"reclaimed_pages", proof.reclaimed_pages},
            {"shrinkers", proof.shrinkers},
            {"waits", proof.waits},
            {"stack", proof.stack}};
}

// What tracing cost; null: it was not measured in this run.
Json trace_overhead_json(const evidence::Evidence& evidence) {
    if (!evidence.trace.overhead) {
        return nullptr;
    }
    const evidence::TraceOverhead& cost = *evidence.trace.overhead;
    return {{"ratio", cost.ratio},
            {"ratio_low", cost.ratio_low},
            {"ratio_high", cost.ratio_high},
            {"blocks", cost.blocks},
            {"with_bytes_s", cost.with_bytes_s},
            {"without_bytes_s", cost.without_bytes_s}};
}

template <class Value>
Json or_null(const std::optional<Value>& value) {
    return value ? Json(*value) : Json(nullptr);
}

Json cost_json(const evidence::Evidence& evidence) {
    const auto cost = verdict::cost_figures(evidence);
    if (!cost) {
        return nullptr;
    }
    Json steps = Json::array();
    for (const auto& step : cost->steps) {
        steps.push_back({{"kind", step.kind},
                         {"count", step.count},
                         {"unfinished", step.unfinished},
                         {"p99_s", step.p99_s},
                         {"longest_s", step.longest_s}});
    }
    return {{"throughput_bytes_s", or_null(cost->throughput_bytes_s)},
            {"steps", steps},
            {"enomem", or_null(cost->enomem)},
            {"other_errors", or_null(cost->other_errors)},
            {"short_transfers", or_null(cost->short_transfers)},
            {"oom_kills", or_null(cost->oom_kills)},
            {"machine_oom_kills", or_null(cost->machine_oom_kills)},
            {"scanned_pages", or_null(cost->scanned_pages)},
            {"reclaimed_pages", or_null(cost->reclaimed_pages)}};
}

template <class Value>
void read_or_null(const Json& object, const char* key, std::optional<Value>& value) {
    if (const auto& found = object.at(key); !found.is_null()) {
        value = found.get<Value>();
    }
}

verdict::CostFigures read_cost(const Json& json) {
    verdict::CostFigures cost;
    read_or_null(json, "throughput_bytes_s", cost.throughput_bytes_s);
    for (const auto& step : json.at("steps")) {
        cost.steps.push_back({.kind = step.at("kind").get<std::string>(),
                              .count = step.at("count").get<std::uint64_t>(),
                              .unfinished = step.at("unfinished").get<std::uint64_t>(),
                              .p99_s = step.at("p99_s").get<double>(),
                              .longest_s = step.at("longest_s").get<double>()});
    }
    read_or_null(json, "enomem", cost.enomem);
    read_or_null(json, "other_errors", cost.other_errors);
    read_or_null(json, "short_transfers", cost.short_transfers);
    read_or_null(json, "oom_kills", cost.oom_kills);
    read_or_null(json, "machine_oom_kills", cost.machine_oom_kills);
    read_or_null(json, "scanned_pages", cost.scanned_pages);
    read_or_null(json, "reclaimed_pages", cost.reclaimed_pages);
    return cost;
}

Json oom_victims_json(const evidence::Evidence& evidence) {
    Json list = Json::array();
    for (const evidence::OomVictim& victim : evidence.oom_victims) {
        list.push_back({{"pid", victim.pid},
                        {"name", victim.name},
                        {"role", victim.role},
                        {"of_memcg", victim.of_memcg},
                        {"at_s", victim.at_s},
                        {"exit_s", victim.gone_s ? Json(*victim.gone_s - victim.at_s) : Json(nullptr)}});
    }
    return list;
}

// Names of tasks and log lines may hold any bytes: what is not UTF-8 is replaced.
std::string text_of(const Json& json) {
    return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string verdict_json(const evidence::Evidence& evidence, const verdict::Verdict& verdict,
                         const std::string& run_dir) {
    Json json;
    json["schema"] = 1;
    json["scenario"] = evidence.scenario;
    json["outcome"] = verdict::to_string(verdict.outcome);
    json["recursion"] = verdict.recursion ? Json(verdict::to_string(*verdict.recursion)) : Json(nullptr);
    json["relief"] = relief_json(verdict);
    json["expected"] = {{"outcome", verdict.expected.outcome},
                        {"recursion", verdict.expected.recursion},
                        {"status", verdict.expected.status}};
    json["met"] = verdict.met;
    json["reasons"] = verdict.reasons;
    json["cycle"] = verdict.cycle;
    json["run_dir"] = run_dir;
    json["duration_s"] = evidence.duration_s;
    json["kernel"] = evidence.environment.kernel_release;
    json["cgroup_version"] = evidence.environment.cgroup_version;
    json["upper_fs"] = evidence.devices.upper_fs;
    json["lower_fs"] = evidence.devices.lower_fs;
    json["front_end"] = evidence.devices.front_end;
    json["placement"] = evidence.placement;
    json["engine"] = evidence.engine;
    json["mitigations"] = mitigations_json(evidence);
    json["proof"] = proof_json(verdict);
    json["recursion_proof"] = recursion_proof_json(verdict);
    json["trace_weaker"] = evidence.trace.weaker;
    json["trace_overhead"] = trace_overhead_json(evidence);
    json["cost"] = cost_json(evidence);
    json["guest"] = guest_json(evidence);
    json["time_factor"] = evidence.limits.time_factor;
    json["waiting"] = verdict.waiting;
    json["incidents"] = verdict.incidents;
    json["oom_victims"] = oom_victims_json(evidence);
    json["leftovers"] = evidence.leftovers;
    return text_of(json);
}

std::string with_proof(const std::string& verdict_json, const verdict::ProofOfCure& proof) {
    auto json = Json::parse(verdict_json, nullptr, false);
    if (!json.is_object()) {
        return verdict_json;
    }
    json["proof_of_cure"] = {{"proven", proof.proven}, {"missing", proof.missing}, {"chance", proof.chance}};
    return text_of(json);
}

std::string with_cost(const std::string& verdict_json, const verdict::CostSummary& summary) {
    auto json = Json::parse(verdict_json, nullptr, false);
    if (!json.is_object() || summary.control.empty()) {
        return verdict_json;
    }
    Json p99 = Json::array();
    for (const auto& one : summary.p99) {
        p99.push_back({{"kind", one.kind}, {"ratio", one.ratio}});
    }
    json["cost_against_control"] = {{"control", summary.control},
                                    {"control_runs", summary.control_runs},
                                    {"runs", summary.runs},
                                    {"throughput", or_null(summary.throughput)},
                                    {"p99", p99}};
    return text_of(json);
}

std::string with_batch(const std::string& verdict_json, const verdict::BatchRun& run,
                       const std::vector<verdict::ProofOfCure>& proofs,
                       const std::vector<verdict::CostSummary>& costs) {
    const auto* proof = find_proof(proofs, run);
    const auto* cost = find_cost(costs, run);
    auto json = proof == nullptr ? verdict_json : with_proof(verdict_json, *proof);
    return cost == nullptr ? std::move(json) : with_cost(json, *cost);
}

std::optional<verdict::CostFigures> cost_in(const std::string& verdict_json) {
    const auto json = Json::parse(verdict_json, nullptr, false);
    if (!json.is_object() || !json.contains("cost") || !json["cost"].is_object()) {
        return std::nullopt;
    }
    try {
        return read_cost(json["cost"]);
    } catch (const Json::exception&) {
        return std::nullopt;
    }
}

}  // namespace reflux::report
