#include "harness/verdict/cure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::verdict {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const Place here{.kernel = "6.1", .cgroup = "v1"};
const Claim cure_claim{.cure = true, .baseline = "stall", .control = "control"};
const Claim stall_claim{.cure = false, .baseline = "", .control = "control"};

class CureTest : public ::testing::Test {
  protected:
    void add(const std::string& scenario, const std::string& outcome, const Claim& claim, unsigned count = 1,
             const Place& place = here) {
        batch_.insert(batch_.end(), count,
                      {.scenario = scenario, .place = place, .outcome = outcome, .claim = claim});
    }
    void add_cure(const std::string& outcome, unsigned count = 1, const Place& place = here) {
        add("cure", outcome, cure_claim, count, place);
    }
    void add_stall(const std::string& outcome, unsigned count = 1, const Place& place = here) {
        add("stall", outcome, stall_claim, count, place);
    }
    void add_control(const std::string& outcome, unsigned count = 1, const Place& place = here) {
        add("control", outcome, {}, count, place);
    }
    [[nodiscard]] std::vector<ProofOfCure> proofs() const { return prove_cures(tally(batch_)); }
    // Of the only cure.
    [[nodiscard]] ProofOfCure proof() const {
        const auto all = proofs();
        EXPECT_THAT(all, SizeIs(1));
        return all.empty() ? ProofOfCure{} : all.front();
    }

    std::vector<BatchRun> batch_;
};

TEST_F(CureTest, IsSeenBesideAStallAndACompletedControl) {
    add_cure("completes");
    add_stall("deadlock");
    add_control("completes");
    EXPECT_FALSE(proof().proven);
    EXPECT_DOUBLE_EQ(proof().chance, 0.5);
    EXPECT_THAT(proof().missing, IsEmpty());
    EXPECT_EQ(proof().line,
              "cure: cure seen: completes 1 of 1 (at least 5%), beside stall (1 deadlock of 1) and control "
              "(1 completes of 1); so many may be chance in 50%: --repeat proves it or not");
}

// One of the ways to deal 4 stalls out among 8 runs: 1 of 70.
TEST_F(CureTest, IsProvenByRunsEnough) {
    add_cure("completes", 3);
    add_stall("deadlock", 3);
    add_control("completes");
    EXPECT_FALSE(proof().proven) << proof().chance;
    add_cure("completes");
    add_stall("livelock");
    EXPECT_TRUE(proof().proven);
    EXPECT_NEAR(proof().chance, 1.0 / 70, 1e-12);
    EXPECT_EQ(
        proof().line,
        "cure: cure proven: completes 4 of 4 (at least 47%), beside stall (3 deadlock, 1 livelock of 4) "
        "and control (1 completes of 1); so many may be chance in 1.4%");
}

TEST_F(CureTest, AloneIsUnproven) {
    add_cure("completes", 20);
    EXPECT_THAT(proof().missing, Not(IsEmpty()));
    EXPECT_THAT(proof().missing, ElementsAre("its baseline stall was not run beside it",
                                             "its control control was not run beside it"));
    EXPECT_EQ(
        proof().line,
        "cure: cure unproven: its baseline stall was not run beside it; its control control was not run "
        "beside it");
}

TEST_F(CureTest, MustCompleteItself) {
    add_stall("deadlock", 3);
    add_control("completes", 3);
    add_cure("completes", 2);
    EXPECT_THAT(proof().missing, IsEmpty());
    add_cure("livelock");
    EXPECT_THAT(proof().missing, ElementsAre("it did not always complete: 2 completes, 1 livelock of 3"));
}

TEST_F(CureTest, ThatWasNotRunIsUnproven) {
    add_stall("deadlock");
    add_control("completes");
    add_cure("unsupported", 2);
    EXPECT_THAT(proof().missing, ElementsAre("it was not run (2 unsupported)"));
    add_cure("completes");
    EXPECT_THAT(proof().missing, IsEmpty()) << "what was not made says nothing against it either";
}

TEST_F(CureTest, ABaselineThatDidNotStallProvesNothing) {
    add_cure("completes");
    add_control("completes");
    add_stall("completes", 2);
    EXPECT_THAT(proof().missing, ElementsAre("its baseline stall was not seen to stall: 2 completes of 2"));
    batch_.back().outcome = "inconclusive";
    EXPECT_THAT(proof().missing, Not(IsEmpty()));
    batch_.back().outcome = "slow";
    EXPECT_THAT(proof().missing, Not(IsEmpty()));
    batch_.back().outcome = "harness_error";
    EXPECT_THAT(proof().missing, Not(IsEmpty()));
}

TEST_F(CureTest, ABaselineIsTroubledByWhatItsExpectationNames) {
    add_cure("completes");
    add_control("completes");
    add_stall("slow");
    EXPECT_THAT(proof().missing, Not(IsEmpty()));
    batch_.back().foreseen = true;
    EXPECT_THAT(proof().missing, IsEmpty());
}

TEST_F(CureTest, ABaselineThatStallsNowAndThenAsksForMoreRuns) {
    add_control("completes");
    add_stall("deadlock", 2);
    add_stall("completes", 2);
    add_cure("completes", 4);
    EXPECT_FALSE(proof().proven);
    EXPECT_NEAR(proof().chance, 6.0 / 28, 1e-12);  // both stalls among the baseline's four of eight
    add_stall("deadlock", 4);
    add_stall("completes", 4);
    add_cure("completes", 4);
    EXPECT_TRUE(proof().proven) << proof().chance;
}

TEST_F(CureTest, ItsControlMustCompleteAlways) {
    add_cure("completes");
    add_stall("livelock");
    add_control("completes", 3);
    EXPECT_THAT(proof().missing, IsEmpty());
    add_control("slow");
    EXPECT_THAT(proof().missing,
                ElementsAre("its control control did not always complete: 3 completes, 1 slow of 4"));
}

TEST_F(CureTest, ABaselineElsewhereProvesNothing) {
    for (const Place& elsewhere :
         {Place{.kernel = "7.2", .cgroup = "v1"}, Place{.kernel = "6.1", .cgroup = "v2"}}) {
        batch_.clear();
        add_cure("completes");
        add_stall("deadlock", 1, elsewhere);
        add_control("completes", 1, elsewhere);
        EXPECT_THAT(proof().missing, SizeIs(2)) << elsewhere.kernel << elsewhere.cgroup;
        add_stall("deadlock");
        add_control("completes");
        EXPECT_THAT(proof().missing, IsEmpty());
        EXPECT_THAT(proof().line, ::testing::StartsWith("6.1 v1, cure: cure seen: "));
    }
}

TEST_F(CureTest, EachPlaceHasItsOwnProof) {
    const Place elsewhere{.kernel = "7.2", .cgroup = "v1"};
    add_cure("completes");
    add_cure("completes", 1, elsewhere);
    add_stall("deadlock");
    add_control("completes");
    const auto all = proofs();
    ASSERT_THAT(all, SizeIs(2));
    EXPECT_THAT(all[0].missing, IsEmpty());
    EXPECT_THAT(all[1].missing, Not(IsEmpty()));
    EXPECT_EQ(find_proof(all, batch_[1]), &all[1]);
    EXPECT_EQ(find_proof(all, batch_[2]), nullptr) << "a stall claims no cure";
    batch_[1].place.cgroup = "";
    EXPECT_EQ(find_proof(all, batch_[1]), &all[1]) << "one that was lost early";
}

TEST_F(CureTest, TheControlIsTheBaselinesWhereItNamesNone) {
    add("cure", "completes", {.cure = true, .baseline = "stall"});
    EXPECT_THAT(proof().missing, ElementsAre("its baseline stall was not run beside it",
                                             "neither it nor a baseline beside it names a control"));
    add_stall("deadlock");
    EXPECT_THAT(proof().missing, ElementsAre("its control control was not run beside it"));
    add_control("completes");
    EXPECT_THAT(proof().missing, IsEmpty());
}

// --set mitigation.apply=… reaches every scenario of a batch.
TEST_F(CureTest, WithoutABaselineOrWithOneThatIsACureIsUnproven) {
    add("cure", "completes", {.cure = true});
    EXPECT_THAT(proof().missing,
                ElementsAre("it names no baseline", "neither it nor a baseline beside it names a control"));
    batch_.clear();
    add_cure("completes");
    add_control("completes");
    add("stall", "deadlock", {.cure = true});
    EXPECT_THAT(proofs().front().missing, ElementsAre("its baseline stall was run as a cure itself"));
}

TEST_F(CureTest, TheSummaryHasCountsThenProofs) {
    add_cure("completes");
    EXPECT_THAT(summary(tally(batch_), proofs()), SizeIs(1));
    add_stall("deadlock", 2);
    const auto lines = summary(tally(batch_), proofs());
    ASSERT_THAT(lines, SizeIs(3));
    EXPECT_THAT(lines[0], ::testing::StartsWith("stall: 2 deadlock of 2 ("));
    EXPECT_THAT(lines[2], ::testing::StartsWith("cure: cure unproven: "));
}

}  // namespace
}  // namespace reflux::verdict
