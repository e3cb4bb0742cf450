#include "harness/run/report_verb.h"

#include "backend/base/kernel_file.h"
#include "harness/scenario/load.h"
#include "tests/support/temporary_folder.h"

#include <filesystem>

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::run {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class ReportVerb : public ::testing::Test {
  protected:
    // A run folder with the scenario of that name as this program writes it.
    void write_run(const std::string& scenario, const std::string& outcome, int number = 1) const {
        const auto name = fmt::format("runs/{}-20260101T000000-{}", scenario, number);
        folder_.write(
            name + "/verdict.json",
            fmt::format(
                R"({{"scenario":"{}","outcome":"{}","recursion":"none","met":true,)"
                R"("reasons":[],"leftovers":[],"kernel":"6.1","cgroup_version":"v1","duration_s":{}}})",
                scenario, outcome, number));
        const auto loaded = scenario::load(scenario);
        folder_.write(name + "/" + scenario + ".toml", loaded ? scenario::to_toml(*loaded) : "");
    }
    struct Told {
        ExitCode code = ExitCode::met;
        std::string output;
        std::string errors;
    };
    [[nodiscard]] Told report(const ReportOptions& options) const {
        ::testing::internal::CaptureStdout();
        ::testing::internal::CaptureStderr();
        const auto code = report_verb(options);
        return {.code = code,
                .output = ::testing::internal::GetCapturedStdout(),
                .errors = ::testing::internal::GetCapturedStderr()};
    }
    test::TemporaryFolder folder_;
};

TEST_F(ReportVerb, WritesAPageOfWhatItFinds) {
    for (int i = 1; i <= 4; ++i) {
        write_run("fuse-ext4-shared-memcg", "deadlock", i);
        write_run("fuse-ext4-own-cgroup", "completes", i);
    }
    write_run("fuse-ext4-shared-memcg-control", "completes");
    folder_.write("runs/cut/verdict.json", "{");
    const auto told = report({.folders = {folder_ / "runs"}, .out = folder_ / "report.html"});
    EXPECT_EQ(told.code, ExitCode::met);
    EXPECT_EQ(told.output, (folder_ / "report.html") + ": 9 runs; 1 folder not counted, see above\n");
    EXPECT_THAT(told.errors, HasSubstr("runs/cut: verdict.json is no verdict"));
    const auto page = read_file(folder_ / "report.html").value();
    EXPECT_NE(page.find("Does a FUSE daemon that writes to ext4 hang"), std::string::npos);
    EXPECT_NE(page.find("<span class=\"cure proven\">cure proven</span>"), std::string::npos);
    EXPECT_EQ(list_directory(folder_.path()).value(), (std::vector<std::string>{"report.html", "runs"}));
}

TEST_F(ReportVerb, WhatIsSaidOfAScenarioOrExpectedOfItIsNoOtherDefinition) {
    using scenario::Scenario;
    const auto shipped = scenario::load("fuse-ext4-shared-memcg").value();
    const std::vector<std::pair<const char*, void (*)(Scenario&)>> said = {
        {"question", [](Scenario& one) { one.question = "Is it?"; }},
        {"because", [](Scenario& one) { one.because = "It is."; }},
        {"source", [](Scenario& one) { one.source = "somebody"; }},
        {"family", [](Scenario& one) { one.family = one.family == "S2" ? "S3" : "S2"; }},
        {"status",
         [](Scenario& one) {
             one.status = scenario::not_reproduced;
             one.tried = {"once"};
         }},
        {"expect", [](Scenario& one) { one.expect.outcome = {"io_error"}; }},
        {"expect_v2", [](Scenario& one) { one.expect_v2.outcome = {"io_error"}; }},
        {"expect_with",
         [](Scenario& one) {
             one.expect_with_function = "schedule";
             one.expect_with.outcome = {"io_error"};
         }},
    };
    const auto told_apart = [&](void (*change)(Scenario&)) {
        Scenario other = shipped;
        change(other);
        EXPECT_NE(scenario::to_toml(other), scenario::to_toml(shipped));
        write_run("fuse-ext4-shared-memcg", "deadlock", 1);
        write_run("fuse-ext4-shared-memcg", "deadlock", 2);
        folder_.write("runs/fuse-ext4-shared-memcg-20260101T000000-2/fuse-ext4-shared-memcg.toml",
                      scenario::to_toml(other));
        const auto told = report({.folders = {folder_ / "runs"}, .out = ""});
        EXPECT_THAT(told.errors, IsEmpty());
        return told.output.find("fuse-ext4-shared-memcg [") != std::string::npos;
    };
    for (const auto& one : said) {
        EXPECT_FALSE(told_apart(one.second)) << one.first;
    }
    EXPECT_TRUE(told_apart([](Scenario& one) { one.workload.seed = 7; }));
}

TEST_F(ReportVerb, WithoutAFileItGoesToStdout) {
    write_run("fuse-ext4-shared-memcg", "deadlock");
    for (const auto* out : {"", "-"}) {
        const auto told = report({.folders = {folder_ / "runs"}, .out = out});
        EXPECT_EQ(told.code, ExitCode::met);
        EXPECT_THAT(told.output.substr(0, 40), StartsWith("<!DOCTYPE html>"));
        EXPECT_THAT(told.errors, IsEmpty());
    }
}

// Folders of others: a name that clears the screen, a file that colours it.
TEST_F(ReportVerb, NothingInAFolderReachesTheTerminalAsACommand) {
    write_run("fuse-ext4-shared-memcg", "deadlock");
    folder_.write("runs/\x1b[2Jcut/verdict.json", "{");
    folder_.write("runs/fuse-ext4-shared-memcg-20260101T000000-1/fuse-ext4-shared-memcg.toml",
                  "question = \"?\"\n[stack]\n\"\x1b[31muper\" = \"ext4\"\n");
    const auto told = report({.folders = {folder_ / "runs"}, .out = folder_ / "\x1b[2Jpage"});
    EXPECT_EQ(told.code, ExitCode::met) << told.errors;
    EXPECT_THAT(told.errors, AllOf(HasSubstr("runs/ [2Jcut: "), HasSubstr("does not load: ")));
    const auto none = report({.folders = {folder_ / "\x1b[2Jnowhere"}, .out = folder_ / "page"});
    EXPECT_EQ(none.code, ExitCode::usage);
    for (const auto& text : {told.errors, told.output, none.errors}) {
        EXPECT_NE(text, "");
        EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
    }
}

TEST_F(ReportVerb, NoRunIsAnError) {
    fs::create_directories(folder_ / "empty");
    const auto told =
        report({.folders = {folder_ / "empty", folder_ / "nowhere"}, .out = folder_ / "report.html"});
    EXPECT_EQ(told.code, ExitCode::usage);
    EXPECT_THAT(told.errors, AllOf(HasSubstr("nowhere: No such file"), HasSubstr("reflux: no run in "),
                                   HasSubstr("verdict.json")));
    EXPECT_FALSE(fs::exists(folder_ / "report.html"));
}

TEST_F(ReportVerb, WhereItCannotBeWrittenIsToldBeforeAnythingIsRead) {
    write_run("fuse-ext4-shared-memcg", "deadlock");
    folder_.write("runs/cut/verdict.json", "{");
    for (const auto* out : {"nowhere/report.html", "runs"}) {
        const auto told = report({.folders = {folder_ / "runs"}, .out = folder_ / out});
        EXPECT_EQ(told.code, ExitCode::usage);
        EXPECT_THAT(told.errors, AllOf(HasSubstr("-o "), HasSubstr("folder")));
        EXPECT_EQ(told.errors.find("cut"), std::string::npos);
    }
    const auto told = report({.folders = {folder_ / "runs"}, .out = "", .format = "pdf"});
    EXPECT_EQ(told.code, ExitCode::usage);
    EXPECT_THAT(told.errors, HasSubstr("--format pdf"));
}

TEST_F(ReportVerb, ALinkStaysOneAndADeviceIsNotReplaced) {
    write_run("fuse-ext4-shared-memcg", "deadlock");
    folder_.write("old.html", "old");
    fs::create_symlink(folder_ / "old.html", folder_ / "link.html");
    EXPECT_EQ(report({.folders = {folder_ / "runs"}, .out = folder_ / "link.html"}).code, ExitCode::met);
    EXPECT_TRUE(fs::is_symlink(folder_ / "link.html"));
    EXPECT_THAT(read_file(folder_ / "old.html").value().substr(0, 20), StartsWith("<!DOCTYPE html>"));
    // As /dev/null is, and it would be root who replaces that.
    fs::create_symlink("/dev/null", folder_ / "null");
    EXPECT_EQ(report({.folders = {folder_ / "runs"}, .out = folder_ / "null"}).code, ExitCode::met);
    EXPECT_TRUE(fs::is_character_file("/dev/null"));
    EXPECT_TRUE(fs::is_symlink(folder_ / "null"));
}

TEST_F(ReportVerb, AScenarioThatDoesNotLoadIsToldWithItsLine) {
    write_run("fuse-ext4-shared-memcg", "deadlock");
    folder_.write("runs/fuse-ext4-shared-memcg-20260101T000000-1/fuse-ext4-shared-memcg.toml",
                  "question = \"?\"\n[stack]\nuper = \"ext4\"\n");
    const auto told = report({.folders = {folder_ / "runs"}, .out = folder_ / "report.html"});
    EXPECT_EQ(told.code, ExitCode::met);
    EXPECT_THAT(told.errors, AllOf(HasSubstr("does not load: line:3: "), HasSubstr("stack.upper")));
    EXPECT_THAT(told.output, HasSubstr(": 1 run\n"));
}

}  // namespace
}  // namespace reflux::run
