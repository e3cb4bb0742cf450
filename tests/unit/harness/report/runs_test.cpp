#include "harness/report/runs.h"

#include "tests/unit/harness/report/report_fixture.h"

#include <filesystem>

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::report {
namespace {

namespace fs = std::filesystem;

using reflux::testing::read_scenario;
using reflux::testing::verdict_text;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> names_of(const Runs& found) {
    std::vector<std::string> names;
    for (const auto& run : found.runs) {
        names.push_back(run.name());
    }
    return names;
}

// Where it lies below the folder, and what is told of it.
std::vector<std::string> troubles_of(const Runs& found, const test::TemporaryFolder& folder) {
    std::vector<std::string> lines;
    for (const auto& trouble : found.troubles) {
        const auto at = trouble.path.starts_with(folder.path())
                            ? trouble.path.substr(folder.path().size() + 1)
                            : trouble.path;
        lines.push_back(at + ": " + trouble.what);
    }
    return lines;
}

TEST(FindRuns, LooksThroughFoldersOfRunsMatricesAndShards) {
    const test::TemporaryFolder folder;
    folder.write("runs/b-20260101T000001-1/verdict.json", verdict_text("b", "slow"));
    folder.write("shard1/6.1/a/a-20260101T000001-1/verdict.json", verdict_text("a", "deadlock"));
    folder.write("shard1/6.1/a/a.toml", "x\n");
    folder.write("shard1/matrix.json", "{}");
    folder.write("shard2/6.1/a/a-20260101T000001-1/verdict.json", verdict_text("a", "slow"));
    const auto found = find_runs({folder.path()}, read_scenario);
    EXPECT_THAT(names_of(found),
                ElementsAre("a-20260101T000001-1", "a-20260101T000001-1", "b-20260101T000001-1"));
    EXPECT_THAT(found.troubles, IsEmpty());
    EXPECT_EQ(found.runs[2].began, "2026-01-01 00:00:01");
    EXPECT_EQ(found.runs[2].verdict.outcome, "slow");
    EXPECT_EQ(find_runs({folder / "runs/b-20260101T000001-1"}, read_scenario).runs.size(), 1U);
}

TEST(FindRuns, ARunCountsOnceHoweverOftenItIsNamedOrCopied) {
    const test::TemporaryFolder folder;
    folder.write("a/x-20260101T000001-1/verdict.json", verdict_text("x", "slow", {{"duration_s", 1.5}}));
    folder.write("copy/x-20260101T000001-1/verdict.json", verdict_text("x", "slow", {{"duration_s", 1.5}}));
    // The same second on another machine.
    folder.write("b/x-20260101T000001-1/verdict.json", verdict_text("x", "slow", {{"duration_s", 1.6}}));
    fs::create_directory_symlink(folder / "a", folder / "link");
    const auto found = find_runs(
        {folder / "a", folder / "a/../a/", folder / "link", folder / "a/x-20260101T000001-1", folder.path()},
        read_scenario);
    EXPECT_EQ(found.runs.size(), 2U);
    EXPECT_EQ(found.repeated, 1U);
    EXPECT_THAT(found.troubles, IsEmpty());
}

TEST(FindRuns, LinksBelowAFolderAreNotFollowed) {
    const test::TemporaryFolder folder;
    const test::TemporaryFolder elsewhere;
    elsewhere.write("y-20260101T000001-1/verdict.json", verdict_text("y", "slow"));
    folder.write("x-20260101T000001-1/verdict.json", verdict_text("x", "slow"));
    fs::create_directory_symlink(elsewhere.path(), folder / "link");
    fs::create_directory_symlink(folder.path(), folder / "loop");
    EXPECT_THAT(names_of(find_runs({folder.path()}, read_scenario)), ElementsAre("x-20260101T000001-1"));
    // One that is named is meant.
    EXPECT_THAT(names_of(find_runs({folder / "link"}, read_scenario)), ElementsAre("y-20260101T000001-1"));
}

TEST(FindRuns, WhatIsDamagedOrInterruptedIsToldAndTheRestIsRead) {
    const test::TemporaryFolder folder;
    const std::string verdict = verdict_text("good", "slow");
    folder.write("good/verdict.json", verdict);
    folder.write("cut/verdict.json", verdict.substr(0, verdict.size() / 2));
    folder.write("empty/verdict.json", "");
    folder.write("nameless/verdict.json", verdict_text("", "slow"));
    folder.write("odd/verdict.json", verdict_text("odd", "slow", {{"kernel", 5}}));
    folder.write("interrupted/repro.sh", "");
    folder.write("judged-by-hand/evidence.json", "{}");
    folder.write("judged-by-hand/lost-guest-1/verdict.json", verdict);
    fs::create_directories(folder / "pipe");
    ASSERT_EQ(::mkfifo((folder / "pipe/verdict.json").c_str(), 0600), 0);
    fs::create_directories(folder / "link");
    fs::create_symlink(folder / "good/verdict.json", folder / "link/verdict.json");
    folder.write("claims-nothing/verdict.json", verdict_text("s", "slow"));
    folder.write("claims-nothing/s.toml", "damaged\n");
    const auto found =
        find_runs({folder.path(), folder / "nowhere", folder / "good/verdict.json"}, read_scenario);
    EXPECT_THAT(names_of(found), ElementsAre("good", "claims-nothing"));
    EXPECT_THAT(
        troubles_of(found, folder),
        ElementsAre("claims-nothing: s.toml does not load: line:1: no; what the scenario claims is not known",
                    HasSubstr("cut: verdict.json is no verdict"), HasSubstr("empty: verdict.json is no"),
                    "interrupted: no verdict.json: the run was interrupted, or goes on",
                    HasSubstr("judged-by-hand: no verdict.json: the run was interrupted, or goes on "
                              "(`reflux explain`"),
                    HasSubstr("link: open"), HasSubstr("nameless: verdict.json is no verdict"),
                    HasSubstr("odd: verdict.json is no verdict"), HasSubstr("is not a regular file"),
                    HasSubstr("nowhere: No such file"), "good/verdict.json: it is not a folder"));
}

TEST(FindRuns, AVerdictThatIsTooDeepIsNotRead) {
    constexpr std::size_t levels = 500'000;  // 1 MB of text
    auto text = verdict_text("x", "slow");
    text.pop_back();
    text += R"(,"more":)" + std::string(levels, '[') + std::string(levels, ']') + "}";
    const test::TemporaryFolder folder;
    folder.write("x/verdict.json", text);
    const auto found = find_runs({folder.path()}, read_scenario);
    EXPECT_THAT(found.runs, IsEmpty());
    EXPECT_THAT(troubles_of(found, folder), ElementsAre(HasSubstr("verdict.json is no verdict")));
}

TEST(ParseVerdict, TimesAreClamped) {
    for (const auto& [told, taken] : {std::pair(1e300, 1e9), std::pair(-1e300, 0.0), std::pair(1.5, 1.5)}) {
        const auto verdict = parse_verdict(verdict_text("x", "slow", {{"duration_s", told}}));
        ASSERT_TRUE(verdict);
        EXPECT_EQ(verdict->duration_s, taken);
    }
}

TEST(FindRuns, AVerdictThatIsTooLargeIsNotRead) {
    const test::TemporaryFolder folder;
    folder.write("x/verdict.json", "{}");
    fs::resize_file(folder / "x/verdict.json", 1UL << 33U);
    const auto found = find_runs({folder.path()}, read_scenario);
    EXPECT_THAT(troubles_of(found, folder), ElementsAre(HasSubstr("no run writes more")));
}

TEST(FindRuns, TheTimeComesFromTheFoldersName) {
    EXPECT_EQ(began_of("fuse-ext4-20261122T023023-12"), "2026-11-22 02:30:23");
    for (const auto* name : {"", "x", "20261122T023023-1", "x-20261122T02302-1", "x-20261122T023023",
                             "x-2026112aT023023-1", "-20261122T023023-1 "}) {
        EXPECT_EQ(began_of(name), "") << name;
    }
}

TEST(ReadEvidence, OfARunFolder) {
    const test::TemporaryFolder folder;
    reflux::testing::write_run(folder, "x-20260101T000001-1",
                               reflux::testing::fixture("deadlock-v1-writeback"));
    const auto found = find_runs({folder.path()}, read_scenario);
    ASSERT_EQ(found.runs.size(), 1U);
    const auto evidence = read_evidence(found.runs.front());
    ASSERT_TRUE(evidence) << evidence.error().message;
    EXPECT_TRUE(evidence->stall);
    EXPECT_EQ(read_text(found.runs.front(), "repro.sh").value(), "#!/bin/sh\nexec reflux run x.toml\n");
    folder.write("x-20260101T000001-1/evidence.json", "{");
    EXPECT_THAT(read_evidence(found.runs.front()).error().message, HasSubstr("not valid JSON"));
    fs::remove(folder / "x-20260101T000001-1/evidence.json");
    EXPECT_FALSE(read_evidence(found.runs.front()));
}

}  // namespace
}  // namespace reflux::report
