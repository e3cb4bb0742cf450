#include "harness/report/html/page.h"

#include "harness/report/html/layout.h"
#include "tests/unit/harness/report/html/page_fixture.h"

namespace reflux::report::html {
namespace {

using reflux::testing::count_of;
using reflux::testing::expect_has;
using reflux::testing::expect_sound;
using reflux::testing::fixture;
using reflux::testing::hostile;
using reflux::testing::report_of;
using reflux::testing::verdict_text;
using reflux::testing::write_run;

// Of a folder with one run of that evidence.
std::string page_of(const evidence::Evidence& evidence) {
    const test::TemporaryFolder folder;
    write_run(folder, evidence.scenario.substr(0, 40) + "-20261122T023023-1", evidence);
    return page(report_of({folder.path()}));
}

class PageOf : public ::testing::TestWithParam<std::string> {};

TEST_P(PageOf, IsSound) {
    const auto text = page_of(fixture(GetParam()));
    expect_sound(text);
    EXPECT_EQ(count_of(text, "Its evidence cannot be shown"), 0U);
}

INSTANTIATE_TEST_SUITE_P(AllFixtures, PageOf, ::testing::ValuesIn(reflux::testing::fixture_names()),
                         reflux::testing::fixture_case_name);

TEST(Page, ShowsTheCycleTheProofAndWhatHappenedWhen) {
    const auto text = page_of(fixture("recorded-6.1-v1-fuse-ext4-deadlock"));
    expect_has(text, "The stack and its wait cycle");
    EXPECT_EQ(count_of(text, "marker-end=\"url(#arrow)\""), count_of(text, "class=\"fact\""));
    EXPECT_GE(count_of(text, "class=\"fact\""), 3U);
    expect_has(text, "<li class=\"decides\"><code>folio_wait_writeback</code>");
    expect_has(text, "<span class=\"tag\">decides</span>");
    for (const auto* words : {"stall detected", "relief: abort; I/O went on", "I/O completed a second",
                              "Memory charged", "dashed: limit 32 MiB", "reached the upper fs", "repro.sh"}) {
        expect_has(text, words);
    }
}

TEST(Page, OfManyReclaimsNotAllAreDrawn) {
    auto evidence = fixture("recorded-6.1-v1-fuse-ext4-deadlock");
    auto& reclaims = evidence.trace.reclaims;
    ASSERT_FALSE(reclaims.empty());
    auto quiet = reclaims.front();
    quiet.upper_events = 0;
    quiet.inside.clear();
    auto high = quiet;
    high.upper_events = 1;
    reclaims.assign(2000, quiet);
    reclaims.push_back(high);
    evidence.trace.reclaim_count = reclaims.size();
    const auto text = page_of(evidence);
    EXPECT_EQ(count_of(text, "<rect class=\"reclaim"), 500U);
    EXPECT_EQ(count_of(text, "<rect class=\"reclaim upper"), 1U);
    expect_has(text, "2001 reclaims, 500 drawn");
}

TEST(Page, ARunThatCompletesHasNoCycleAndNoStall) {
    const auto text = page_of(fixture("recorded-6.1-v1-fuse-ext4-own-cgroup"));
    expect_has(text, "Nothing stalled, so nothing is drawn upon the stack.");
    EXPECT_EQ(count_of(text, "marker-end"), 0U);
    EXPECT_EQ(count_of(text, "class=\"stall\""), 0U);
}

TEST(Page, WhatDiffersFromExpectationComesFirst) {
    const test::TemporaryFolder folder;
    for (int i = 0; i < 3; ++i) {
        folder.write(fmt::format("stalls-20260101T00000{}-1/verdict.json", i),
                     verdict_text("stalls", "deadlock"));
    }
    folder.write(
        "odd-20260101T000000-1/verdict.json",
        verdict_text("odd", "slow",
                     {{"met", false}, {"expected", {{"outcome", {"completes"}}, {"recursion", {"none"}}}}}));
    folder.write("broken-20260101T000000-1/verdict.json",
                 verdict_text("broken", "harness_error", {{"met", false}, {"reasons", {"mkfs failed"}}}));
    folder.write("cut-20260101T000000-1/verdict.json", "{");
    const auto text = page(report_of({folder.path()}));
    expect_sound(text);
    expect_has(text, "5 runs of 3 scenarios on 1 kernel, begun 2026-01-01 00:00 to 2026-01-01 00:00");
    expect_has(text, "1 run differs from expectation");
    expect_has(text, "expected completes, recursion none; <strong>found 1 of 1 slow, recursion none");
    expect_has(text, "<b>3/3</b></a><span class=\"ci\">at least 36%</span>");
    expect_has(text, "1 run failed in the harness");
    expect_has(text, "mkfs failed");
    expect_has(text, "1 folder not counted");
    EXPECT_LT(text.find(">odd [definition unknown]</span> <span class=\"on\""),
              text.find(">stalls [definition unknown]</span> <span class=\"on\""));
    EXPECT_LT(text.find("differs from expectation"), text.find("id=\"matrix\""));
}

TEST(Page, NothingDiffersOnlyWhereSomethingWasJudged) {
    const auto page_with = [](const std::string& outcome, const nlohmann::json& more) {
        const test::TemporaryFolder folder;
        folder.write("x-20260101T000000-1/verdict.json", verdict_text("x", outcome, more));
        return page(report_of({folder.path()}));
    };
    const auto broken = page_with("harness_error", {{"met", false}});
    expect_has(broken, "Nothing was judged</h2><p> 1 run with an expectation was not made.");
    EXPECT_EQ(count_of(broken, "note good"), 0U);
    const nlohmann::json none = nlohmann::json::array();
    const auto free = page_with("slow", {{"expected", {{"outcome", none}, {"recursion", none}}}});
    expect_has(free, "Nothing was judged</h2><p>No run had an expectation.");
    EXPECT_EQ(count_of(free, "note good"), 0U);
    const auto recursion = page_with("slow", {{"expected", {{"outcome", none}, {"recursion", {"none"}}}}});
    expect_has(recursion, "<section class=\"note good\"");
    expect_has(recursion, "1 run had an expectation, and met it.");
    expect_has(recursion, "as expected</span> (any outcome, recursion none)");
    expect_sound(recursion);
}

TEST(Page, EvidenceThatCannotBeReadIsToldInItsPlace) {
    const test::TemporaryFolder folder;
    folder.write("x-20260101T000000-1/verdict.json", verdict_text("x", "deadlock"));
    folder.write("x-20260101T000000-1/evidence.json", "{\"schema\": 99}");
    const auto text = page(report_of({folder.path()}));
    expect_sound(text);
    expect_has(text, "Its evidence cannot be shown: ");
    expect_has(text, "schema: 99 is not known");
}

void expect_harmless(const std::string& text) {
    expect_sound(text);
    for (const auto* dangerous : {"<img", "<script", "\x1b", "\xe2\x80\xae"}) {
        EXPECT_EQ(count_of(text, dangerous), 0U) << dangerous;
    }
    EXPECT_EQ(count_of(text, "</style>"), 1U);
    expect_has(text, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&gt;");
}

TEST(Page, TextOfEvidenceDoesNothing) {
    auto evidence = fixture("recorded-6.1-v1-fuse-ext4-deadlock");
    const auto spoil = [](auto&... texts) { ((texts = hostile + texts), ...); };
    spoil(evidence.scenario, evidence.environment.kernel_release, evidence.environment.kernel_version,
          evidence.environment.machine, evidence.devices.upper_fs, evidence.devices.lower_fs,
          evidence.devices.map, evidence.devices.daemon, evidence.placement, evidence.engine,
          evidence.workload.ended);
    for (auto& snapshot : evidence.stall->snapshots) {
        for (auto& task : snapshot.tasks) {
            spoil(task.name);
            task.stack.push_back(hostile);
        }
    }
    for (auto& rung : evidence.relief) {
        spoil(rung.detail);
    }
    for (auto& reclaim : evidence.trace.reclaims) {
        spoil(reclaim.gfp_flags, reclaim.thread);
    }
    evidence.mitigations.push_back({.name = hostile, .applied = true, .detail = hostile});
    evidence.faults.push_back({.name = hostile, .detail = hostile, .at_s = 1.0, .lifted_s = 2.0});
    evidence.trace.missing.push_back(hostile);
    const test::TemporaryFolder folder;
    write_run(folder, "x-20261122T023023-1", evidence);
    folder.write("x-20261122T023023-1/repro.sh", hostile);
    expect_harmless(page(report_of({folder.path()})));
}

TEST(Page, TextOfVerdictsAndFoldersDoesNothing) {
    const test::TemporaryFolder folder;
    auto name = hostile;
    std::erase(name, '/');
    for (const auto* outcome : {"deadlock", "harness_error", "unsupported", "slow"}) {
        nlohmann::json more = {{"kernel", "h"},
                               {"reasons", {"h", "h"}},
                               {"leftovers", {"h"}},
                               {"met", false},
                               {"relief", {{"rung", "h"}, {"after_s", 1e300}}},
                               {"duration_s", -1e300}};
        auto text = verdict_text("h", outcome, more);
        const auto quoted =
            nlohmann::json(hostile).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        for (auto at = text.find("\"h\""); at != std::string::npos; at = text.find("\"h\"", at)) {
            text.replace(at, 3, quoted);
        }
        folder.write(fmt::format("{}{}-20261122T023023-1/verdict.json", name, outcome), text);
    }
    folder.write(name + "/verdict.json", "{");
    folder.write("word/verdict.json", verdict_text("x", "<b>new word</b>"));
    expect_harmless(page(report_of({folder.path()})));
}

// As many runs as that, all of whose details are large; names as long as they may be.
TEST(Page, TenThousandRunsFit) {
    const test::TemporaryFolder folder;
    write_run(folder, "x-20261122T023023-1", fixture("recorded-5.10-v2-tcmu-runner-xfs-eviction-deadlock"));
    const auto one = report_of({folder.path()}).found.runs.front();
    Report report;
    constexpr std::size_t runs = 10'000;
    for (std::size_t i = 0; i < runs; ++i) {
        auto run = one;
        run.verdict.scenario =
            fmt::format("family-{:03}-of-a-name-as-they-are+io_flusher+own_cgroup", i % 250);
        run.verdict.kernel = fmt::format("6.{}.0-49-amd64", i / 250 % 10);
        report.found.runs.push_back(std::move(run));
    }
    report.counted = count(report.found.runs);
    ASSERT_EQ(report.counted.tallies.size(), 2500U);
    const auto text = page(report);
    EXPECT_LT(text.size(), most_page_bytes);
    EXPECT_EQ(count_of(text, "<article"), most_shown);
    EXPECT_EQ(count_of(text, "Its evidence cannot be shown"), 0U);
    EXPECT_EQ(count_of(text, "<tr><td><span class=\"o"), runs);
    expect_sound(text);
}

TEST(Page, EveryRunMayBeACellOfItsOwn) {
    const test::TemporaryFolder folder;
    folder.write("x-20261122T023023-1/verdict.json", verdict_text("x", "slow"));
    const auto one = report_of({folder.path()}).found.runs.front();
    Report report;
    for (int i = 0; i < 10'000; ++i) {
        auto run = one;
        run.verdict.scenario = fmt::format("scenario-{}", i % 100);
        run.verdict.kernel = fmt::format("6.{}.0", i / 100);
        report.found.runs.push_back(std::move(run));
    }
    report.counted = count(report.found.runs);
    ASSERT_EQ(report.counted.tallies.size(), 10'000U);
    const auto text = page(report);
    EXPECT_LT(text.size(), most_page_bytes);
    expect_has(text, fmt::format("{} more kernels have no room here", 100 - most_columns));
    expect_sound(text);
}

TEST(Page, HoweverLongTheTextsOfRunsAre) {
    const test::TemporaryFolder folder;
    const std::string text(4000, '"');  // six bytes each, on the page
    for (int i = 0; i < 60; ++i) {
        folder.write(fmt::format("x-20261122T0230{:02}-1/verdict.json", i),
                     verdict_text(std::to_string(i) + text, "slow", {{"reasons", {text}}, {"kernel", text}}));
    }
    auto report = report_of({folder.path()});
    ASSERT_EQ(report.found.runs.size(), 60U);
    while (report.found.runs.size() < 3000) {
        report.found.runs.push_back(report.found.runs[report.found.runs.size() - 60]);
        report.found.runs.back().folder += text;
    }
    report.counted = count(report.found.runs);
    const auto made = page(report);
    EXPECT_LT(made.size(), most_page_bytes);
    expect_has(made, "are not listed: the page has its size");
    expect_sound(made);
}

}  // namespace
}  // namespace reflux::report::html
