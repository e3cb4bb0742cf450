#include "harness/report/dot.h"

#include "tests/unit/harness/verdict/fixture.h"

#include <regex>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using evidence::Evidence;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string dot_of(const Evidence& evidence) {
    return report::wait_graph_dot(evidence, verdict::judge(evidence), verdict::wait_graph(evidence));
}

// Each line is a statement of DOT's grammar, as far as it is used here; strings have no bare quote.
void expect_dot(const std::string& text) {
    const std::string value = R"re((?:[A-Za-z0-9.]+|"(?:[^"\\]|\\["\\n])*"))re";
    const std::string attributes = R"( \[[a-z]+=)" + value + "(?:, [a-z]+=" + value + R"()*\];)";
    const std::regex statement("  (?:graph|node|edge|n[0-9]+|n[0-9]+ -> n[0-9]+)" + attributes);
    std::istringstream lines(text);
    std::string line;
    std::getline(lines, line);
    EXPECT_EQ(line, "digraph wait {");
    while (std::getline(lines, line) && line != "}") {
        EXPECT_TRUE(std::regex_match(line, statement)) << line;
    }
    EXPECT_EQ(line, "}");
    EXPECT_FALSE(std::getline(lines, line));
}

TEST(Dot, DrawsTheClosedCycleBoldAndRed) {
    const std::string text = dot_of(testing::fixture("deadlock-v1-writeback"));
    expect_dot(text);
    EXPECT_THAT(text, HasSubstr("label=\"refluxd[4240]\\ndaemon, state D\""));
    EXPECT_THAT(text, HasSubstr("label=\"upper device 7:1\\next4, 1 I/O in flight\""));
    EXPECT_THAT(text,
                HasSubstr("[label=\"folio writeback inside memcg reclaim\", tooltip=\"in folio writeback"));
    EXPECT_THAT(text, HasSubstr("color=red, penwidth=2.5, style=bold"));
    EXPECT_THAT(text, HasSubstr("fuse-ext4-shared-memcg: deadlock, kernel 6.18.5"));
}

TEST(Dot, DrawsNothingRedWhereNothingCloses) {
    const std::string text = dot_of(testing::fixture("idle-io-thread-could-answer"));
    EXPECT_THAT(text, Not(HasSubstr("color=red")));
    EXPECT_THAT(text, HasSubstr("style=dashed"));
    EXPECT_THAT(text, HasSubstr("asleep throughout"));
}

TEST(Dot, DrawsWhatIsNotKnownDashed) {
    const std::string text = dot_of(testing::fixture("recorded-6.18-v1-fuse-ext4-wait-begins-late"));
    EXPECT_THAT(
        text,
        HasSubstr(
            "label=\"?\\nin jbd2_journal_commit_transaction, its\\nown work: no frame tells what for\", "
            "style=dashed"));
}

TEST(Dot, EscapesWhateverANameHolds) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    for (auto& snapshot : evidence.stall->snapshots) {
        for (auto& task : snapshot.tasks) {
            task.name = "a\"]; \\N<b>\n\x1b\xff{" + task.name;
        }
    }
    evidence.scenario = "\"\\";
    const std::string text = dot_of(evidence);
    expect_dot(text);
    EXPECT_THAT(text, HasSubstr("a\\\"]; \\\\N<b> \xef\xbf\xbd{refluxd[4240]"));
    EXPECT_THAT(text, HasSubstr(R"(label="\"\\: deadlock)"));
}

class DotOf : public ::testing::TestWithParam<std::string> {};

TEST_P(DotOf, IsAGraph) {
    const Evidence evidence = testing::fixture(GetParam());
    const std::string text = dot_of(evidence);
    expect_dot(text);
    EXPECT_EQ(text.find(" -> n") != std::string::npos, evidence.stall.has_value());
    EXPECT_EQ(text.find("color=red") != std::string::npos,
              verdict::judge(evidence).outcome == verdict::Outcome::deadlock);
}

INSTANTIATE_TEST_SUITE_P(All, DotOf, ::testing::ValuesIn(testing::fixture_names()),
                         testing::fixture_case_name);

}  // namespace
}  // namespace reflux
