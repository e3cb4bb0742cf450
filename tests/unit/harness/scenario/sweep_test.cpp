#include "harness/scenario/sweep.h"

#include "backend/base/kernel_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::scenario {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* sound = R"(mitigations = ["*", "a+b"]
[one]
title = "first"
scenario = "s"
set = ["vm.cgroup=v1"]
cures = ["a"]
leaves = ["a+b"]
[two]
title = "second"
scenario = "t"
)";

std::string error_of(const std::string& text) {
    const auto sweep = parse_sweep(text, "f.toml");
    return sweep ? "" : sweep.error().message;
}

std::string with(std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
}

TEST(SweepTest, FamiliesComeInTheOrderOfTheFile) {
    const auto sweep = parse_sweep(sound, "f.toml");
    ASSERT_TRUE(sweep) << sweep.error().message;
    EXPECT_THAT(sweep->mitigations, ElementsAre("*", "a+b"));
    ASSERT_EQ(sweep->families.size(), 2U);
    EXPECT_EQ(sweep->families[0].id, "one");
    EXPECT_EQ(sweep->families[0].title, "first");
    EXPECT_EQ(sweep->families[0].scenario, "s");
    EXPECT_THAT(sweep->families[0].set, ElementsAre("vm.cgroup=v1"));
    EXPECT_THAT(sweep->families[0].cures, ElementsAre("a"));
    EXPECT_THAT(sweep->families[0].leaves, ElementsAre("a+b"));
    EXPECT_EQ(sweep->families[1].id, "two");
    EXPECT_THAT(sweep->families[1].cures, IsEmpty());
}

TEST(SweepTest, MistakesAreToldWithTheirPlace) {
    EXPECT_THAT(error_of(with(sound, "cures", "cure")), HasSubstr("f.toml:6: one.cure: unknown key"));
    EXPECT_THAT(error_of(with(sound, "cures", "cure")), HasSubstr("did you mean 'cures'"));
    EXPECT_THAT(error_of(with(sound, "\"first\"", "1")), HasSubstr("f.toml:3: one.title: expected a text"));
    EXPECT_THAT(error_of(with(sound, "scenario = \"s\"\n", "")),
                HasSubstr("one: it needs a title and a scenario"));
    EXPECT_THAT(error_of(with(sound, "leaves = [\"a+b\"]", "leaves = [\"a\"]")),
                HasSubstr("'a' stands in cures and in leaves"));
    EXPECT_THAT(error_of(with(sound, "leaves = [\"a+b\"]", "leaves = [\"b+c\"]")),
                HasSubstr("'b+c' is none of the sweep's mitigations"));
    EXPECT_THAT(error_of("mitigation = []\n"), HasSubstr("f.toml:1: mitigation: unknown key"));
    EXPECT_THAT(error_of("mitigations = [\"*\"]\n"), HasSubstr("needs mitigations and a family, [ID]"));
    EXPECT_THAT(error_of("mitigations = \n"), HasSubstr("f.toml:1"));
}

TEST(SweepTest, TheShippedOneIsFoundAndSound) {
    const auto file = find_sweep("mitigations");
    ASSERT_NE(file, "");
    const auto sweep = parse_sweep(read_file(file).value(), file);
    EXPECT_TRUE(sweep) << sweep.error().message;
    EXPECT_EQ(find_sweep("nothing-of-this-name"), "");
}

}  // namespace
}  // namespace reflux::scenario
