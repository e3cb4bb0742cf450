#include "harness/verdict/cure.h"

#include "harness/verdict/confidence.h"
#include "harness/verdict/words.h"

#include <algorithm>

#include <boost/math/distributions/hypergeometric.hpp>
#include <fmt/format.h>

namespace reflux::verdict {
namespace {

constexpr double too_likely = 0.05;

std::string counts_of(const Tally& tally) {
    return fmt::format("{} of {}", text_of(tally.made), tally.runs);
}

bool always_completes(const Tally& tally) {
    return tally.runs > 0 && tally.of(Outcome::completes) == tally.runs;
}

// Of the cure's neighbours; nullptr: no run of it was made at this place.
const Tally* find(const std::vector<Tally>& batch, const std::string& scenario, const Place& place) {
    const auto found = std::ranges::find_if(batch, [&](const Tally& tally) {
        return tally.scenario == scenario && tally.place == place && tally.runs > 0;
    });
    return found == batch.end() ? nullptr : &*found;
}

std::string not_beside(const std::string& what, const std::string& name) {
    return fmt::format("its {} {} was not run beside it", what, name);
}

std::string wrong_with_cure(const Tally& cure) {
    if (cure.runs == 0) {
        return fmt::format("it was not run ({})", text_of(cure.not_made));
    }
    return always_completes(cure) ? "" : "it did not always complete: " + counts_of(cure);
}

// "memcg.limit=128MiB" of what a baseline has otherwise than its cure.
std::string other_conditions(const Claim& cure, const Claim& baseline) {
    std::vector<std::string> parts;
    for (const auto& [key, value] : baseline.conditions) {
        const auto found = cure.conditions.find(key);
        if (found == cure.conditions.end() || found->second != value) {
            parts.push_back(fmt::format("{}={}", key, value));
        }
    }
    for (const auto& [key, value] : cure.conditions) {
        if (!baseline.conditions.contains(key)) {
            parts.push_back("no " + key);
        }
    }
    return join(parts, ", ");
}

std::string wrong_with_baseline(const Tally& cure, const Tally* baseline) {
    const auto& name = cure.claim.baseline;
    if (name.empty()) {
        return "it names no baseline";
    }
    if (baseline == nullptr) {
        return not_beside("baseline", name);
    }
    if (baseline->claim.cure) {
        return fmt::format("its baseline {} was run as a cure itself", name);
    }
    const bool known = !cure.claim.conditions.empty() && !baseline->claim.conditions.empty();
    if (known && cure.claim.conditions != baseline->claim.conditions) {
        return fmt::format("its baseline {} was run under other conditions: {}", name,
                           other_conditions(cure.claim, baseline->claim));
    }
    if (baseline->troubled == 0) {
        return fmt::format("its baseline {} was not seen to stall: {}", name, counts_of(*baseline));
    }
    return "";
}

// The cure has no troubled run.
double chance_of(const Tally& cure, const Tally& baseline) {
    const boost::math::hypergeometric_distribution<double> troubled_of_cure(baseline.troubled, cure.runs,
                                                                            baseline.runs + cure.runs);
    return boost::math::pdf(troubled_of_cure, 0U);
}

std::string wrong_with_control(const std::string& name, const Tally* control) {
    if (name.empty()) {
        return "neither it nor a baseline beside it names a control";
    }
    if (control == nullptr) {
        return not_beside("control", name);
    }
    return always_completes(*control)
               ? ""
               : fmt::format("its control {} did not always complete: {}", name, counts_of(*control));
}

ProofOfCure prove(const Tally& cure, const std::vector<Tally>& batch) {
    const Tally* baseline = find(batch, cure.claim.baseline, cure.place);
    const auto& control_name =
        cure.claim.control.empty() && baseline != nullptr ? baseline->claim.control : cure.claim.control;
    const Tally* control = find(batch, control_name, cure.place);

    ProofOfCure proof{.scenario = cure.scenario, .place = cure.place};
    proof.missing = {wrong_with_cure(cure), wrong_with_baseline(cure, baseline),
                     wrong_with_control(control_name, control)};
    std::erase(proof.missing, "");
    std::string why = join(proof.missing, "; ");
    if (proof.missing.empty()) {
        proof.chance = chance_of(cure, *baseline);
        proof.proven = proof.chance < too_likely;
        const Share completed{.count = cure.runs, .trials = cure.runs};
        why = fmt::format("completes {}, beside {} ({}) and {} ({}); so many may be chance in {:.2g}%{}",
                          to_string(completed), baseline->scenario, counts_of(*baseline), control->scenario,
                          counts_of(*control), proof.chance * 100,
                          proof.proven ? "" : ": --repeat proves it or not");
    }
    proof.line = fmt::format("{}: {}: {}", name_of(cure, batch), proof.word(), why);
    return proof;
}

}  // namespace

std::vector<ProofOfCure> prove_cures(const std::vector<Tally>& batch) {
    std::vector<ProofOfCure> proofs;
    for (const auto& one : batch) {
        if (one.claim.cure) {
            proofs.push_back(prove(one, batch));
        }
    }
    return proofs;
}

const ProofOfCure* find_proof(const std::vector<ProofOfCure>& proofs, const BatchRun& run) {
    const auto found = std::ranges::find_if(proofs, [&](const ProofOfCure& proof) {
        return proof.scenario == run.scenario && proof.place.kernel == run.place.kernel &&
               (run.place.cgroup.empty() || proof.place.cgroup == run.place.cgroup);
    });
    return found == proofs.end() ? nullptr : &*found;
}

std::vector<std::string> summary(const std::vector<Tally>& batch, const std::vector<ProofOfCure>& proofs) {
    auto lines = count_lines(batch);
    for (const auto& proof : proofs) {
        lines.push_back(proof.line);
    }
    return lines;
}

}  // namespace reflux::verdict
