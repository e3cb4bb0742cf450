#include "harness/report/counted.h"

#include "tests/unit/harness/report/report_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::report {
namespace {

using reflux::testing::report_of;
using reflux::testing::verdict_text;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::vector<std::string> names_of(const Counted& counted) {
    std::vector<std::string> names;
    for (const auto& tally : counted.tallies) {
        names.push_back(fmt::format("{} {} {}", tally.scenario, tally.place.kernel, tally.place.cgroup));
    }
    return names;
}

// Runs of a scenario, each with its text.
void write(const test::TemporaryFolder& folder, const std::string& scenario, const std::string& outcome,
           const std::string& toml, int count, const nlohmann::json& more = {}) {
    for (int i = 0; i < count; ++i) {
        const auto name = fmt::format("{}/{}-{}-2026010{}T000000-{}", std::hash<std::string>{}(toml),
                                      scenario, outcome, i, i);
        folder.write(name + "/verdict.json", verdict_text(scenario, outcome, more));
        folder.write(name + "/" + scenario + ".toml", toml);
    }
}

TEST(Count, ACureIsProvenByTheShardsOfAMatrixTogether) {
    const test::TemporaryFolder one;
    const test::TemporaryFolder other;
    write(one, "stalls", "deadlock", "calm\n", 4);
    write(other, "calm", "completes", "none\n", 1);
    write(other, "cured", "completes", "cure stalls calm\n", 4);
    EXPECT_FALSE(report_of({other.path()}).counted.proofs.front().proven);
    const auto report = report_of({one.path(), other.path()});
    ASSERT_EQ(report.counted.proofs.size(), 1U);
    EXPECT_TRUE(report.counted.proofs.front().proven) << report.counted.proofs.front().line;
    const auto& cells = report.counted.cells;
    ASSERT_EQ(cells.size(), 3U);
    std::size_t runs = 0;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        EXPECT_EQ(cells[i].runs.size(), report.counted.tallies[i].runs);
        runs += cells[i].runs.size();
        EXPECT_EQ(report.counted.proof_of(report.counted.tallies[i]) != nullptr,
                  report.counted.tallies[i].scenario == "cured");
    }
    EXPECT_EQ(runs, 9U);
}

TEST(Count, RunsOfOtherDefinitionsAreCountedApart) {
    const test::TemporaryFolder folder;
    write(folder, "a", "deadlock", "calm\n[memcg]\nlimit = \"64MiB\"\n[workload]\nseed = 1\n", 2);
    write(folder, "a", "completes", "calm\n[memcg]\nlimit = \"1GiB\"\n[workload]\nseed = 1\n", 1);
    write(folder, "a+cure", "completes", "cure a calm\n[memcg]\nlimit = \"64MiB\"\n", 2);
    write(folder, "a+cure", "slow", "cure a calm\n[memcg]\nlimit = \"1GiB\"\n", 1);
    write(folder, "calm", "completes", "none\n[memcg]\nlimit = \"none\"\n", 1);
    const auto counted = report_of({folder.path()}).counted;
    EXPECT_THAT(
        names_of(counted),
        UnorderedElementsAre("a 6.1.0-49-amd64 v1", "a [memcg.limit=1GiB] 6.1.0-49-amd64 v1",
                             "a+cure 6.1.0-49-amd64 v1", "a+cure [memcg.limit=1GiB] 6.1.0-49-amd64 v1",
                             "calm 6.1.0-49-amd64 v1"));
    for (const auto& tally : counted.tallies) {
        if (tally.scenario == "a+cure [memcg.limit=1GiB]") {
            EXPECT_EQ(tally.claim.baseline, "a [memcg.limit=1GiB]");
            EXPECT_EQ(tally.claim.control, "calm");
        }
    }
}

TEST(Count, NoCureIsProvenBesideABaselineUnderOtherConditions) {
    const std::string pressed = "[memcg]\nlimit = \"64MiB\"\nplacement = \"shared\"\n[workload]\nseed = 1\n";
    const auto proof_beside = [&](const std::string& more) {
        const test::TemporaryFolder folder;
        write(folder, "stalls", "deadlock", "calm\n" + more, 5);
        write(folder, "calm", "completes", "none\n[memcg]\nlimit = \"none\"\n", 1);
        write(folder, "cured", "completes", "cure stalls calm\n" + pressed, 5);
        return report_of({folder.path()}).counted.proofs.at(0);
    };
    EXPECT_TRUE(proof_beside(pressed).proven);
    auto other_place = pressed;
    other_place.replace(other_place.find("shared"), 6, "apart");
    EXPECT_TRUE(proof_beside(other_place).proven) << "that may be the cure";
    auto more_memory = pressed;
    more_memory.replace(more_memory.find("64MiB"), 5, "128MiB");
    EXPECT_THAT(proof_beside(more_memory).missing,
                ElementsAre("its baseline stalls was run under other conditions: memcg.limit=128MiB"));
    EXPECT_THAT(proof_beside(pressed + "[fault]\nkind = \"kill\"\n").missing,
                ElementsAre("its baseline stalls was run under other conditions: fault.kind=kill"));
    EXPECT_THAT(
        proof_beside("[memcg]\nlimit = \"64MiB\"\n").line,
        HasSubstr("cure unproven: its baseline stalls was run under other conditions: no workload.seed"));
}

TEST(Count, RunsOfAnUnknownDefinitionAreCountedApart) {
    const test::TemporaryFolder folder;
    write(folder, "stalls", "deadlock", "damaged\n", 5);
    write(folder, "calm", "completes", "none\n", 1);
    write(folder, "cured", "completes", "cure stalls calm\n", 5);
    write(folder, "cured", "slow", "damaged\n", 1);
    const auto counted = report_of({folder.path()}).counted;
    EXPECT_THAT(names_of(counted), UnorderedElementsAre("stalls [definition unknown] 6.1.0-49-amd64 v1",
                                                        "calm 6.1.0-49-amd64 v1", "cured 6.1.0-49-amd64 v1",
                                                        "cured [definition unknown] 6.1.0-49-amd64 v1"));
    ASSERT_EQ(counted.proofs.size(), 1U) << "one that does not load takes no claim from the others";
    EXPECT_THAT(counted.proofs.front().missing, ElementsAre("its baseline stalls was not run beside it"));
}

TEST(Count, AGuestIsPutToAReleaseOnlyWhereThereIsOne) {
    const test::TemporaryFolder folder;
    write(folder, "a", "deadlock", "calm\n", 1);
    write(folder, "a", "slow", "calm\n", 1, {{"kernel", "6.1.0-56-amd64"}});
    write(folder, "a", "inconclusive", "calm\n", 1, {{"kernel", ""}});
    EXPECT_THAT(names_of(report_of({folder.path()}).counted),
                UnorderedElementsAre("a 6.1.0-49-amd64 v1", "a 6.1.0-56-amd64 v1", "a 6.1 v1"));
}

TEST(Count, AGuestThatWasLostEarlyIsCountedWithItsKernel) {
    const test::TemporaryFolder folder;
    write(folder, "a", "deadlock", "calm\n", 1);
    write(folder, "a", "inconclusive", "calm\n", 1, {{"kernel", ""}, {"cgroup_version", ""}});
    write(folder, "a", "slow", "calm\n", 1, {{"guest", nullptr}});
    write(folder, "a", "unsupported", "calm\n", 1,
          {{"kernel", ""}, {"guest", {{"accelerator", "tcg"}, {"kernel", "7.2"}}}});
    const auto report = report_of({folder.path()});
    EXPECT_THAT(names_of(report.counted),
                UnorderedElementsAre("a 6.1.0-49-amd64 v1", "a 6.1.0-49-amd64 (host) v1", "a 7.2 v1"));
    for (std::size_t i = 0; i < report.counted.tallies.size(); ++i) {
        const bool shared = report.counted.tallies[i].place.kernel == "6.1.0-49-amd64";
        EXPECT_EQ(report.counted.cells[i].runs.size(), shared ? 2U : 1U);
    }
}

TEST(Count, ARunThatWasNotMadeIsNoMiss) {
    const test::TemporaryFolder folder;
    write(folder, "a", "completes", "calm\n", 2, {{"met", false}});
    write(folder, "a", "unsupported", "calm\n", 1, {{"met", false}});
    write(folder, "a", "harness_error", "calm\n", 1, {{"met", false}});
    const auto report = report_of({folder.path()});
    ASSERT_EQ(report.counted.cells.size(), 1U);
    EXPECT_EQ(report.counted.cells.front().missed, 2U);
    EXPECT_EQ(report.counted.cells.front().runs.size(), 4U);
    EXPECT_EQ(report.counted.tallies.front().runs, 2U);
}

TEST(DifferentKeys, AreNamedWithTheirSection) {
    EXPECT_THAT(different_keys("a = 1\n[b]\nc = \"2\"\n", "a = 1\n[b]\nc = \"3\"\nd = [\"x\"]\n"),
                ElementsAre("b.c=3", "b.d=[x]"));
    EXPECT_THAT(different_keys("a = 1\n", "a = 1\n"), IsEmpty());
    EXPECT_THAT(different_keys("a = 1\n[b]\nc = 2\n", "a = 1\n"), ElementsAre("b.c gone"));
}

}  // namespace
}  // namespace reflux::report
