#include "harness/run/scenarios.h"

#include "harness/evidence/evidence.h"
#include "harness/scenario/front_ends.h"
#include "harness/stack/front_end.h"
#include "tests/support/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::run {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> names_of(const std::vector<std::string>& asked, bool with_baselines,
                                  const std::vector<std::string>& overrides = {}) {
    const auto loaded = load_scenarios(asked, overrides, with_baselines);
    EXPECT_TRUE(loaded) << loaded.error().message;
    std::vector<std::string> names;
    for (const auto& scenario : loaded ? *loaded : std::vector<scenario::Scenario>{}) {
        names.push_back(scenario.name);
    }
    return names;
}

TEST(ScenariosTest, EachNameOfAFrontEndHasItsRow) {
    EXPECT_THAT(stack::front_end_names(), ::testing::UnorderedElementsAreArray(scenario::front_end_names()));
    for (const auto& name : scenario::front_ends) {
        EXPECT_EQ(evidence::has_daemon({.front_end = std::string(name.name)}), name.has_daemon) << name.name;
    }
}

TEST(ScenariosTest, ACureBringsItsBaselineAndControl) {
    EXPECT_THAT(names_of({"fuse-ext4-own-cgroup"}, false), ElementsAre("fuse-ext4-own-cgroup"));
    EXPECT_THAT(
        names_of({"fuse-ext4-own-cgroup"}, true),
        ElementsAre("fuse-ext4-own-cgroup", "fuse-ext4-shared-memcg", "fuse-ext4-shared-memcg-control"));
    // It names no control; its baseline does.
    EXPECT_THAT(
        names_of({"loop-ext4-shared-memcg"}, true),
        ElementsAre("loop-ext4-shared-memcg", "fuse-ext4-shared-memcg", "fuse-ext4-shared-memcg-control"));
}

TEST(ScenariosTest, AllIsEveryScenarioOfTheSearchPath) {
    const auto all = names_of({"all"}, false);
    EXPECT_EQ(all, scenario::names());
    EXPECT_THAT(all, ::testing::IsSupersetOf({"fuse-ext4-own-cgroup", "fuse-ext4-shared-memcg"}));
    EXPECT_EQ(names_of({"all"}, true), all) << "they name none that is not among them";
}

TEST(ScenariosTest, OnlyARemedyThatActsLateLengthensTheTimes) {
    const auto times = [](const std::string& name) {
        const auto loaded = load_scenarios({name}, {"judge.time_budget=10s"}, false);
        EXPECT_TRUE(loaded) << loaded.error().message;
        return std::pair(loaded->front().judge.stall_window, loaded->front().judge.time_budget);
    };
    EXPECT_EQ(times("fuse-ext4-shared-memcg+own_cgroup"), std::pair(Seconds(8), Seconds(10)));
    EXPECT_EQ(times("fuse-ext4-shared-memcg+request_timeout"), std::pair(Seconds(45), Seconds(90)));
}

TEST(ScenariosTest, WhatIsThereIsNotAddedAgain) {
    EXPECT_THAT(names_of({"fuse-ext4-shared-memcg", "fuse-ext4-own-cgroup", "fuse-ext4-io-flusher"}, true),
                ElementsAre("fuse-ext4-shared-memcg", "fuse-ext4-own-cgroup", "fuse-ext4-io-flusher",
                            "fuse-ext4-shared-memcg-control"));
}

TEST(ScenariosTest, WhatIsAddedHasTheOverridesToo) {
    const auto loaded = load_scenarios({"fuse-ext4-own-cgroup"}, {"workload.work=100MiB"}, true);
    ASSERT_TRUE(loaded) << loaded.error().message;
    for (const auto& scenario : *loaded) {
        EXPECT_EQ(scenario.workload.work, mebibytes(100)) << scenario.name;
    }
    EXPECT_FALSE(load_scenarios({"fuse-ext4-own-cgroup"}, {"baseline=nowhere"}, true));
}

TEST(ScenariosTest, TwoOfOneNameMustBeTheSame) {
    const test::TemporaryFolder folder;
    folder.write("fuse-ext4-own-cgroup.toml", "question = \"?\"\n");
    const std::string mine = folder / "fuse-ext4-own-cgroup.toml";
    EXPECT_THAT(names_of({mine, mine}, false), ElementsAre("fuse-ext4-own-cgroup", "fuse-ext4-own-cgroup"));
    const auto loaded = load_scenarios({mine, "fuse-ext4-own-cgroup"}, {}, false);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(loaded.error().message, HasSubstr("have one name and differ"));
}

TEST(ScenariosTest, MitigationsMustBeKnown) {
    const auto loaded = load_scenarios({"fuse-ext4-own-cgroup"}, {"mitigation.apply=no_such_thing"}, false);
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error().message, HasSubstr("no_such_thing"));
}

TEST(ScenariosTest, AVariantIsACureOfWhatItIsAVariantOf) {
    const auto loaded = load_scenarios({"fuse-ext4-shared-memcg+lower_xfs+mlock"}, {}, true);
    ASSERT_TRUE(loaded) << loaded.error().message;
    ASSERT_EQ(loaded->size(), 3U);
    const auto& variant = loaded->front();
    EXPECT_EQ(variant.name, "fuse-ext4-shared-memcg+lower_xfs+mlock");
    EXPECT_THAT(variant.mitigations, ElementsAre("lower_xfs", "mlock"));
    EXPECT_EQ(variant.baseline, "fuse-ext4-shared-memcg");
    EXPECT_EQ(variant.stack.lower, "xfs");
    EXPECT_TRUE(variant.expect.outcome.empty() && variant.expect_v2.outcome.empty()) << "nothing is expected";
    EXPECT_EQ((*loaded)[1].name, "fuse-ext4-shared-memcg");
    EXPECT_EQ((*loaded)[1].stack.lower, "ext4");
    EXPECT_EQ((*loaded)[2].name, "fuse-ext4-shared-memcg-control");
    // Written down and read again it is the same, as a guest and repro.sh read it.
    const test::TemporaryFolder folder;
    folder.write(variant.name + ".toml", to_toml(variant));
    const auto again = load_scenarios({folder / (variant.name + ".toml")}, {}, false);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->front().name, variant.name);
    EXPECT_EQ(to_toml(again->front()), to_toml(variant));
}

TEST(ScenariosTest, WhatWasTriedWasTriedWithoutMitigations) {
    const auto loaded = load_scenarios({"seed-d-io-cgroups+mlock"}, {}, false);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_FALSE(is_not_reproduced(loaded->front()));
    EXPECT_TRUE(loaded->front().tried.empty());
}

TEST(ScenariosTest, MitigationsPlaceTheDaemon) {
    const auto loaded =
        load_scenarios({"fuse-ext4-shared-memcg+own_cgroup", "fuse-ext4-shared-memcg+memory_min"}, {}, false);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ((*loaded)[0].memcg.placement, scenario::Placement::apart);
    EXPECT_EQ((*loaded)[1].memcg.placement, scenario::Placement::siblings);
}

TEST(ScenariosTest, EachScenarioUnderEachMitigation) {
    EXPECT_THAT(under_each({"a", "b"}, {}), ElementsAre("a", "b"));
    EXPECT_THAT(under_each({"a", "b"}, {"m", "n+o"}), ElementsAre("a+m", "a+n+o", "b+m", "b+n+o"));
}

TEST(ScenariosTest, WhatCannotBeAVariantIsTold) {
    const auto error_of = [](const std::string& name) {
        const auto loaded = load_scenarios({name}, {}, false);
        return loaded ? "accepted" : loaded.error().message;
    };
    EXPECT_THAT(error_of("fuse-ext4-shared-memcg+"), HasSubstr("no mitigation behind"));
    EXPECT_THAT(error_of("fuse-ext4-shared-memcg+nonsense"), HasSubstr("unknown mitigation 'nonsense'"));
    EXPECT_THAT(error_of("fuse-ext4-shared-memcg+io_flusher+per_call"), HasSubstr("exclude each other"));
    EXPECT_THAT(error_of("loop-ext4-shared-memcg+io_flusher"), HasSubstr("runs no daemon"));
}

TEST(ScenariosTest, TheClaimIsTheScenarios) {
    const auto loaded = load_scenarios({"fuse-ext4-own-cgroup", "fuse-ext4-shared-memcg"}, {}, false);
    ASSERT_TRUE(loaded) << loaded.error().message;
    const auto cure = claim_of((*loaded)[0]);
    EXPECT_TRUE(cure.cure);
    EXPECT_EQ(cure.baseline, "fuse-ext4-shared-memcg");
    EXPECT_EQ(cure.control, "fuse-ext4-shared-memcg-control");
    EXPECT_FALSE(claim_of((*loaded)[1]).cure);
}

}  // namespace
}  // namespace reflux::run
