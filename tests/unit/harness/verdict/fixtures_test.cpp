// Every evidence folder is judged as its expected.json says.
#include "harness/verdict/verdict.h"
#include "tests/unit/harness/verdict/fixture.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reflux {
namespace {

class Fixture : public ::testing::TestWithParam<std::string> {};

TEST_P(Fixture, IsJudgedAsExpected) {
    const auto expected = nlohmann::json::parse(testing::fixture_text(GetParam(), "expected.json"));
    const verdict::Verdict verdict = verdict::judge(testing::fixture(GetParam()));
    const std::string reasons = ::testing::PrintToString(verdict.reasons);

    EXPECT_EQ(verdict::to_string(verdict.outcome), expected.at("outcome").get<std::string>()) << reasons;
    if (expected.at("recursion").is_null()) {
        EXPECT_FALSE(verdict.recursion) << reasons;
    } else {
        ASSERT_TRUE(verdict.recursion) << reasons;
        EXPECT_EQ(verdict::to_string(*verdict.recursion), expected.at("recursion").get<std::string>())
            << reasons;
    }
    EXPECT_THAT(verdict.reasons,
                ::testing::Contains(::testing::HasSubstr(expected.at("reason").get<std::string>())));
    EXPECT_EQ(verdict.outcome == verdict::Outcome::deadlock, !verdict.cycle.empty());
}

INSTANTIATE_TEST_SUITE_P(All, Fixture, ::testing::ValuesIn(testing::fixture_names()),
                         testing::fixture_case_name);

TEST(Fixtures, ShowEveryOutcomeAndEveryRecursion) {
    std::set<std::string_view> outcomes;
    std::set<std::string_view> recursions;
    for (const std::string& name : testing::fixture_names()) {
        const verdict::Verdict verdict = verdict::judge(testing::fixture(name));
        outcomes.insert(verdict::to_string(verdict.outcome));
        recursions.insert(verdict.recursion ? verdict::to_string(*verdict.recursion) : "unknown");
    }
    EXPECT_EQ(outcomes.size(), 9U);
    EXPECT_EQ(recursions.size(), 4U);
}

}  // namespace
}  // namespace reflux
