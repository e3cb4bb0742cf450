// judge() never fails, whatever the evidence: it is a function over all values, not over the likely ones.
#include "harness/verdict/verdict.h"
#include "tests/unit/harness/verdict/fixture.h"

#include <limits>
#include <random>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reflux {
namespace {

using Json = nlohmann::json;
using Random = std::mt19937;

std::size_t pick(Random& random, std::size_t count) {
    return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
}

// Replaces a leaf by another value of its type, or drops, doubles or empties a container.
void mutate(Json& json, Random& random) {
    static const std::vector<std::string> words = {"",
                                                   "7:0",
                                                   "7:1",
                                                   "loop",
                                                   "fuse",
                                                   "daemon",
                                                   "upper",
                                                   "folio_wait_writeback",
                                                   "abort",
                                                   "GFP_NOIO",
                                                   "balance_dirty_pages",
                                                   "\xff\xfe",
                                                   "try_to_free_pages"};
    if (json.is_structured() && !json.empty() && pick(random, 12) != 0) {
        auto child = json.begin();
        std::advance(child, static_cast<std::ptrdiff_t>(pick(random, json.size())));
        mutate(*child, random);
    } else if (json.is_array() && !json.empty()) {
        if (pick(random, 2) == 0) {
            json.erase(pick(random, json.size()));
        } else {
            json.push_back(Json(json.front()));
        }
    } else if (json.is_object()) {
        json = Json::object();
    } else if (json.is_string()) {
        // A task's state is one letter; every other text may be any.
        json = json.get<std::string>().size() == 1 ? std::string(1, "RSDTtZXI?"[pick(random, 9)])
                                                   : words[pick(random, words.size())];
    } else if (json.is_boolean()) {
        json = !json.get<bool>();
    } else if (json.is_number_float()) {
        json = std::vector<double>{0.0, -1e308, 1e308, 9.0}[pick(random, 4)];
    } else if (json.is_number()) {
        json = std::vector<int>{0, 1, 4240, 4241, std::numeric_limits<int>::max()}[pick(random, 5)];
    }
}

TEST(Robustness, DefaultEvidenceIsInconclusive) {
    const verdict::Verdict verdict = verdict::judge({});
    EXPECT_EQ(verdict.outcome, verdict::Outcome::inconclusive);
    EXPECT_FALSE(verdict.recursion);
    EXPECT_FALSE(verdict.reasons.empty());
}

TEST(Robustness, EmptyStallIsInconclusive) {
    evidence::Evidence evidence;
    evidence.stall.emplace();
    EXPECT_EQ(verdict::judge(evidence).outcome, verdict::Outcome::inconclusive);
    evidence.stall->snapshots.resize(2);
    evidence.stall->snapshots.at(1).tasks.resize(3);
    EXPECT_EQ(verdict::judge(evidence).outcome, verdict::Outcome::inconclusive);
}

TEST(Robustness, MutatedEvidenceIsAlwaysJudgedWithAReason) {
    constexpr int rounds = 1500;
    Random random(20190722);  // NOLINT(cert-msc32-c,cert-msc51-cpp): repeatable on purpose
    std::vector<Json> originals;
    for (const std::string& name : testing::fixture_names()) {
        // Recorded evidence can be large; the rounds are to stay short.
        if (const std::string text = testing::fixture_text(name, "evidence.json"); text.size() < 100000) {
            originals.push_back(Json::parse(text));
        }
    }
    int judged = 0;
    for (int round = 0; round < rounds; ++round) {
        Json mutated = originals[pick(random, originals.size())];
        for (std::size_t i = 0; i <= pick(random, 12); ++i) {
            mutate(mutated, random);
        }
        const std::string text = mutated.dump(-1, ' ', false, Json::error_handler_t::replace);
        if (auto evidence = evidence::from_json(text)) {
            const verdict::Verdict verdict = verdict::judge(*evidence);
            EXPECT_FALSE(verdict.reasons.empty());
            EXPECT_EQ(verdict.outcome == verdict::Outcome::deadlock, !verdict.cycle.empty());
            ++judged;
        }
    }
    EXPECT_GT(judged, rounds / 2);
}

}  // namespace
}  // namespace reflux
