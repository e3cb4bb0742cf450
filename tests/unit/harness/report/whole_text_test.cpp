// `reflux explain`: nothing of a verdict is left out.
#include "harness/report/text.h"
#include "tests/unit/harness/verdict/fixture.h"

#include <algorithm>
#include <cctype>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using evidence::Evidence;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string whole(const Evidence& evidence) {
    return report::explain_whole(evidence, verdict::judge(evidence));
}

// Without what breaks it into lines.
std::string squeezed(std::string text) {
    std::erase_if(text, [](unsigned char c) { return std::isspace(c) != 0; });
    return text;
}

std::size_t columns_of(const std::string& line) {
    return static_cast<std::size_t>(
        std::ranges::count_if(line, [](unsigned char c) { return (c & 0xC0U) != 0x80U; }));
}

class WholeText : public ::testing::TestWithParam<std::string> {};

TEST_P(WholeText, HasAllThatTheVerdictHasWithinItsColumns) {
    const Evidence evidence = testing::fixture(GetParam());
    const verdict::Verdict verdict = verdict::judge(evidence);
    const std::string text = report::explain_whole(evidence, verdict);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(columns_of(line), static_cast<std::size_t>(report::explain_whole_columns)) << line;
    }
    const std::string all = squeezed(text);
    for (const auto* texts : {&verdict.reasons, &verdict.cycle, &verdict.waiting, &evidence.kernel_log}) {
        for (const std::string& one : *texts) {
            EXPECT_THAT(all, HasSubstr("-" + squeezed(one)));
        }
    }
    if (verdict.recursion_proof) {
        for (const auto* texts : {&verdict.recursion_proof->waits, &verdict.recursion_proof->shrinkers}) {
            for (const std::string& one : *texts) {
                EXPECT_THAT(all, HasSubstr(squeezed(one)));
            }
        }
    }
    for (const evidence::ReliefRung& rung : evidence.relief) {
        EXPECT_THAT(all, HasSubstr(squeezed("- " + rung.rung + " at ")));
    }
    EXPECT_THAT(text, Not(HasSubstr("more in verdict.json)")));
}

INSTANTIATE_TEST_SUITE_P(All, WholeText, ::testing::ValuesIn(testing::fixture_names()),
                         testing::fixture_case_name);

TEST(WholeTextOf, ADeadlockHasWholeStacksWithTheDecidingFramesMarked) {
    const Evidence evidence = testing::fixture("deadlock-v1-writeback");
    const std::string text = whole(evidence);
    EXPECT_THAT(text, StartsWith("fuse-ext4-shared-memcg: deadlock, recursion upper: "));
    EXPECT_THAT(text, HasSubstr("\n      folio_wait_bit_common\n    * folio_wait_writeback\n"
                                "      shrink_folio_list\n"));
    std::size_t stacks = 0;
    for (const auto& task : evidence.stall->snapshots.back().tasks) {
        if (task.state == 'D') {
            ++stacks;
            for (const std::string& frame : task.stack) {
                EXPECT_THAT(text, HasSubstr(" " + frame + "\n")) << task.name;
            }
        }
    }
    EXPECT_GT(stacks, 2U);
    EXPECT_THAT(text, HasSubstr("- abort at 25.0 s"));
    EXPECT_THAT(whole(testing::fixture("recorded-6.1-v2-fuse-ext4-lazytime-deadlock")),
                HasSubstr("I/Os and 0.0 requests to the daemon a second, over"));
}

TEST(WholeTextOf, TasksOfOneStackStandTogether) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    auto& tasks = evidence.stall->snapshots.back().tasks;
    const auto blocked = *std::ranges::find_if(
        tasks, [](const auto& task) { return task.role == "workload" && task.state == 'D'; });
    constexpr int more = 40;
    for (int i = 0; i < more; ++i) {
        tasks.push_back(blocked);
        tasks.back().tid = 5000 + i;
    }
    const std::string text = whole(evidence);
    EXPECT_THAT(text, HasSubstr("[5000] (workload), state D"));
    EXPECT_THAT(text, HasSubstr("[5039] (workload), state D"));
    const std::string innermost = " " + blocked.stack.front() + "\n";
    const auto once = text.find(innermost, text.find("tasks that wait"));
    ASSERT_NE(once, std::string::npos);
    EXPECT_LT(std::ranges::count(text, '\n'), 200);
}

TEST(WholeTextOf, NothingGoesThroughToTheTerminal) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    for (auto& snapshot : evidence.stall->snapshots) {
        for (auto& task : snapshot.tasks) {
            task.name += "\x1b[2J\r\n\xc2\x9b";
            task.stack.push_back("a\x1b]0;b\x07");
        }
    }
    evidence.kernel_log = {"\xe2\x80\xaereversed \x1b[31m"};
    const std::string text = whole(evidence);
    EXPECT_TRUE(
        std::ranges::all_of(text, [](unsigned char c) { return c == '\n' || (c >= 0x20 && c != 0x7F); }));
    EXPECT_THAT(text, Not(HasSubstr("\xc2\x9b"))) << "a control character of eight bits";
    EXPECT_THAT(text, Not(HasSubstr("\xe2\x80\xae"))) << "it turns the direction of text";
}

TEST(WholeTextOf, NoEvidenceIsNoCrash) {
    EXPECT_THAT(whole({}), HasSubstr("inconclusive, recursion unknown"));
}

}  // namespace
}  // namespace reflux
