// judge() never fails, whatever the evidence; tests/fuzz/evidence.cpp gives it more than stands here.
#include "harness/verdict/verdict.h"

#include <gtest/gtest.h>

namespace reflux {
namespace {

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

}  // namespace
}  // namespace reflux
