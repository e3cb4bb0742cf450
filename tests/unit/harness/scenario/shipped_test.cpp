// The scenario files that come with reflux.
#include "harness/scenario/families.h"
#include "harness/scenario/load.h"
#include "tests/support/temporary_folder.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::scenario {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

std::vector<std::string> shipped_files() {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(REFLUX_SOURCE_DIR "/harness/scenarios")) {
        if (entry.path().extension() == ".toml") {
            files.push_back(entry.path().string());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

class ShippedTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ShippedTest, LoadsAndSurvivesBeingWritten) {
    const auto scenario = load_file(GetParam());
    ASSERT_TRUE(scenario) << scenario.error().message;
    EXPECT_FALSE(scenario->because.empty());
    EXPECT_FALSE(scenario->source.empty());
    EXPECT_FALSE(scenario->family.empty());
    EXPECT_FALSE(scenario->expect.outcome.empty());
    EXPECT_FALSE(scenario->expect.recursion.empty());

    const std::string text = to_toml(*scenario);
    const test::TemporaryFolder folder;
    folder.write("again.toml", text);
    const auto again = load_file(folder / "again.toml");
    ASSERT_TRUE(again) << again.error().message << "\n" << text;
    EXPECT_EQ(to_toml(*again), text);
}

TEST_P(ShippedTest, ItsControlExistsCompletesAndDiffersOnlyInPressure) {
    const auto scenario = load_file(GetParam());
    ASSERT_TRUE(scenario) << scenario.error().message;
    if (scenario->control.empty()) {
        return;
    }
    const auto control = load(scenario->control);
    ASSERT_TRUE(control) << control.error().message;
    EXPECT_EQ(control->memcg.limit, std::nullopt);
    EXPECT_EQ(control->control, "");
    EXPECT_THAT(control->expect.outcome, ElementsAre("completes"));
    EXPECT_EQ(control->stack.upper, scenario->stack.upper);
    EXPECT_EQ(control->stack.lower, scenario->stack.lower);
    EXPECT_EQ(control->workload.work, scenario->workload.work);
}

// A cure is held to a baseline that is expected to stall and differs in nothing but what the cure does.
TEST_P(ShippedTest, ACureHasABaselineThatStallsAndAControl) {
    const auto scenario = load_file(GetParam());
    ASSERT_TRUE(scenario) << scenario.error().message;
    const auto named = check_named(*scenario);
    EXPECT_TRUE(named) << named.error().message;
    if (!is_cure(*scenario)) {
        // A limit of the daemon's own, and a fault, are no cure.
        EXPECT_TRUE(scenario->memcg.placement != Placement::apart || scenario->memcg.daemon_limit ||
                    scenario->fault.kind != "none")
            << "that is a cure";
        return;
    }
    const auto baseline = load(scenario->baseline);
    ASSERT_TRUE(baseline) << baseline.error().message;
    EXPECT_THAT(baseline->expect.outcome, Not(Contains("completes")));
    EXPECT_NE(baseline->control, "");
    EXPECT_EQ(baseline->memcg.limit, scenario->memcg.limit);
    EXPECT_EQ(baseline->workload.work, scenario->workload.work);
    EXPECT_EQ(baseline->stack.upper, scenario->stack.upper);
    EXPECT_EQ(baseline->stack.lower, scenario->stack.lower);
}

INSTANTIATE_TEST_SUITE_P(Files, ShippedTest, ::testing::ValuesIn(shipped_files()),
                         [](const auto& param_info) {
                             std::string name = fs::path(param_info.param).stem().string();
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

TEST(ShippedScenarios, WithoutDaemonNoDaemonKeysAreWritten) {
    const auto loop = load("loop-ext4-shared-memcg");
    ASSERT_TRUE(loop) << loop.error().message;
    EXPECT_EQ(to_toml(*loop).find("[daemon]"), std::string::npos);
}

TEST(ShippedScenarios, EveryShapeFromTheFieldHasOne) {
    std::set<std::string> covered;
    for (const Listed& one : list_all()) {
        ASSERT_TRUE(one.scenario) << one.name << ": " << one.scenario.error().message;
        covered.insert(one.scenario->family);
    }
    for (const FamilyRow& row : families) {
        if (row.id.starts_with('S')) {
            EXPECT_TRUE(covered.contains(std::string(row.id))) << row.id << ": " << row.title;
        }
    }
}

TEST(ShippedScenarios, ListAllFindsEveryFile) {
    const auto listed = list_all();
    EXPECT_EQ(listed.size(), shipped_files().size());
    for (const Listed& one : listed) {
        EXPECT_TRUE(one.scenario) << one.name << ": " << one.scenario.error().message;
    }
}

}  // namespace
}  // namespace reflux::scenario
