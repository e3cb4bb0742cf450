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
    json["expected"] = {{"outcome", verdict.expected.outcome}, {"recursion", verdict.expected.recursion}};
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
    json["guest"] = guest_json(evidence);
    json["time_factor"] = evidence.limits.time_factor;
    json["waiting"] = verdict.waiting;
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

}  // namespace reflux::report
