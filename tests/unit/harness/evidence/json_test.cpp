#include "harness/evidence/json.h"

#include "tests/support/documented_keys.h"
#include "tests/unit/harness/verdict/fixture.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reflux {
namespace {

using evidence::Evidence;
using evidence::from_json;
using evidence::to_json;
using ::testing::HasSubstr;

// Every field away from its default.
Evidence full() {
    Evidence it;
    it.scenario = "fuse-ext4-shared-memcg";
    it.expected = {.outcome = {"deadlock", "livelock"},
                   .recursion = {"upper"},
                   .status = "not reproduced",
                   .tried = {"6.1, 512 MiB: completes"}};
    it.limits = {.stall_window_s = 8.5,
                 .time_budget_s = 60,
                 .memcg_limit_bytes = 67108864,
                 .time_factor = 3.5,
                 .work_bytes = 7,
                 .daemon_limit_bytes = 33554432};
    it.environment = {"6.18.5", "#1 SMP \"quoted\"", "x86_64", "v1", 25769803776U, 2};
    it.devices = {"7:0", "7:1", "ext4", "xfs", "fuse", 58, "8:0", "dm-zoned", "refluxd"};
    it.placement = "shared";
    it.engine = "sync";
    it.mitigations = {{.name = "io_flusher", .applied = true, .detail = "0x580040"}};
    it.unsupported_reason = "none \xc3\xa9";
    it.harness_error = "no\nerror\t";
    it.daemon_tids = {4240, 4241};
    it.daemon_io_tids = {4240};
    it.progress = {{1.5, 2, 3, 4, 5, 6, 7, 8, 11, 12, 9, 10.25, 13, 14, 15}, {.at_s = -1.0}};
    evidence::TaskSample task{1, 2, "refluxd", "daemon", 'D', 0x400040, 10, 11, 12, {"a", "b"}};
    it.stall = evidence::Stall{.detected_s = 16.5,
                               .last_completion_s = 8.4,
                               .snapshots = {{.at_s = 9, .tasks = {task, task}}},
                               .daemon = {9.5, true, {{812, "write", 40960, 4096, 4240, 8.2}}}};
    it.relief = {
        {"abort", 25, 2, true, "1 > abort", 7, 9, true, 0.125, {4240}, {8, 0.5, 1.5}, {2, 99, 100}, "it"}};
    const evidence::TraceEvent event{8.2, 4240, "folio_wait_writeback", "7:1", "bdi 7:1: ino=14"};
    it.trace = {true,
                true,
                "why",
                {"e"},
                {"m"},
                1,
                2,
                {{4240, "GFP_NOIO", 7, 1.5, 0.5, 9, 0.25}},
                3,
                4,
                5,
                6,
                {{4240, "memcg", 8.1, 8.3, "GFP_NOIO", 32, {event}, 77}},
                {event},
                {event}};
    const evidence::ShrinkerCalls shrinker{"super_cache_scan", "7:1", "upper", 3, 2, 0.5, false};
    auto& reclaim = it.trace.reclaims.back();
    reclaim.thread = "refluxd";
    reclaim.order = 2;
    reclaim.gfp_bits = 0x100cca;
    reclaim.gfp_fs = true;
    reclaim.gfp_io = false;
    reclaim.upper_events = 3;
    reclaim.shrinkers = {shrinker};
    reclaim.waits = {{8.15, 0.1, true, {"folio_wait_writeback"}, "folio_wait_writeback", "7:1", "7:0"}};
    reclaim.wait_count = 4;
    reclaim.waited_s = 0.25;
    it.trace.weaker = {"no kprobes: x"};
    it.trace.shrinkers = {shrinker};
    it.trace.overhead = evidence::TraceOverhead{0.5, 6, 1e9, 1.1e9, 0.9, 0.8, 1.25};
    it.trace.kinds = {"memcg", "direct"};
    it.workload = {true, true, "finished", "fsync x: EIO", 3, 4, 5, 6.5};
    it.verification = {true, "skipped", 1, 2, 3, "first", "acknowledged", "anew"};
    it.daemon_exit = evidence::DaemonExit{true, 4.5, 1, 9, true, "bye"};
    it.kernel_log = {"EXT4-fs error"};
    it.leftovers = {"/dev/loop7"};
    it.duration_s = 21.4;
    it.guest = evidence::Guest{
        .accelerator = "tcg", .kernel = "6.1", .boot_s = 7.5, .end = "panicked", .detail = "Oops"};
    it.faults = {{.name = "stop", .detail = "SIGSTOP to 4240", .at_s = 1.5, .lifted_s = 9.5}};
    it.trace.scan = evidence::ReclaimScan{3, 96, 11};
    it.cost =
        evidence::Cost{.workload = evidence::WorkloadCost{6.5, 7, 8, {{"sync", 9, 1, 0.1, 0.2, 0.3, 0.4}}},
                       .daemon = evidence::DaemonIo{5, 6, {{"ENOMEM", 7}}},
                       .oom_kills = 1,
                       .machine_oom_kills = 2};
    it.oom_victims = {
        {254, "refluxd-io", "daemon", true, 12.5, 1126400, 12.75, 13.5, 14.5, 'D', {"folio_wait_writeback"}}};
    it.lock_reports = {{3.5, "inconsistent lock state", "kswapd0/35", {"&mapping->i_mmap_mutex"}, true}};
    it.allocation_stalls = {{"fs_mark(3289)", "kmem_alloc", "0x2408240", 65624, 3, 1.5, 2.5}};
    it.lockdep = true;
    it.io_cgroups =
        evidence::IoCgroups{"v2", {"throttle"}, {"latency"}, 400, 399, 398, 2, "EBUSY", 9.5, 0.25};
    it.hog = evidence::Hog{64, "limited", 3.5, 4, 2, 1, "exit 12", 60, true, 7};
    it.daemon_failure =
        evidence::DaemonFailure{"mydaemon", "/run/x to appear", 60.5, "exit 7", "it did not", {"no luck"}};
    it.meanwhile = evidence::Meanwhile{"sync", 3, 1, "round 2: exit 1", 0.5, 8.25, "exit 32"};
    return it;
}

TEST(EvidenceJson, WritesAndReadsEveryField) {
    const std::string text = to_json(full());
    const auto read = from_json(text);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(to_json(*read), text);
    ASSERT_TRUE(read->stall);
    ASSERT_EQ(read->stall->snapshots.at(0).tasks.size(), 2U);
    EXPECT_EQ(read->stall->snapshots.at(0).tasks.at(1).state, 'D');
    EXPECT_EQ(read->stall->snapshots.at(0).tasks.at(1).stack, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(read->stall->daemon.in_flight.at(0).offset, 40960U);
    EXPECT_EQ(read->limits.memcg_limit_bytes, 67108864U);
    EXPECT_EQ(read->trace.reclaims.at(0).end_s, 8.3);
    EXPECT_EQ(read->trace.reclaims.at(0).inside.at(0).device, "7:1");
    EXPECT_EQ(read->trace.reclaims.at(0).gfp_bits, 0x100ccaU);
    EXPECT_EQ(read->trace.reclaims.at(0).gfp_io, false);
    EXPECT_EQ(read->trace.reclaims.at(0).waits.at(0).duration_s, 0.1);
    EXPECT_EQ(read->trace.reclaims.at(0).shrinkers.at(0).side, "upper");
    EXPECT_EQ(read->trace.overhead->ratio_high, 1.25);
    EXPECT_EQ(read->relief.at(0).freed_tids, std::vector<int>{4240});
    EXPECT_EQ(read->daemon_exit->signal, 9);
    EXPECT_EQ(read->trace.scan->reclaimed_pages, 11U);
    EXPECT_EQ(read->cost->workload->latencies.at(0).p99_s, 0.2);
    EXPECT_EQ(read->cost->daemon->errors.at(0).error, "ENOMEM");
    EXPECT_EQ(read->progress.at(0).memory_pressure_full_avg10, 10.25);
    EXPECT_FALSE(read->progress.at(1).fuse_waiting);
    EXPECT_EQ(read->environment.kernel_version, "#1 SMP \"quoted\"");
}

// Guards the test above: fields that full() forgets would be read back right by chance.
void expect_all_differ(const nlohmann::json& full, const nlohmann::json& initial, const std::string& path) {
    for (const auto& [key, value] : full.items()) {
        const std::string name = path.empty() ? key : path + "." + key;
        if (value.is_object() && initial.at(key).is_object()) {
            expect_all_differ(value, initial.at(key), name);
        } else if (name != "schema") {
            EXPECT_NE(value, initial.at(key)) << name;
        }
    }
}

TEST(EvidenceJson, FullEvidenceHasNoFieldAtItsDefault) {
    expect_all_differ(nlohmann::json::parse(to_json(full())), nlohmann::json::parse(to_json({})), "");
}

TEST(EvidenceJson, EveryKeyIsDocumentedOnceAndNoOther) {
    const auto written = test::keys_of(nlohmann::json::parse(to_json(full())));
    EXPECT_THAT(test::documented_keys(REFLUX_SOURCE_DIR "/docs/evidence.md", "evidence.json"),
                ::testing::UnorderedElementsAreArray(written));
}

TEST(EvidenceJson, MissingFieldsKeepTheirDefaults) {
    const auto read = from_json("{}");
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(to_json(*read), to_json(Evidence{}));
    const auto partial =
        from_json(R"({"stall": {"snapshots": [{"tasks": [{"tid": 7}]}]}, "daemon_exit": null})");
    ASSERT_TRUE(partial) << partial.error().message;
    EXPECT_EQ(partial->stall->snapshots.at(0).tasks.at(0).state, '?');
    EXPECT_FALSE(partial->daemon_exit);
}

TEST(EvidenceJson, UnknownFieldsAreIgnored) {
    const auto read =
        from_json(R"({"schema": 1, "new": {"a": [1, 2]}, "limits": {"time_budget_s": 5, "x": "y"}})");
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->limits.time_budget_s, 5);
}

struct Wrong {
    std::string text;
    std::string message;
};

TEST(EvidenceJson, AWrongTypeIsAnErrorThatNamesTheField) {
    const std::vector<Wrong> cases = {
        {R"({"scenario": 7})", "scenario: expected a text, found number"},
        {R"({"limits": []})", "limits: expected an object, found array"},
        {R"({"limits": {"stall_window_s": "8"}})", "limits.stall_window_s: expected a number, found string"},
        {R"({"limits": {"memcg_limit_bytes": -1}})",
         "limits.memcg_limit_bytes: expected a whole number from 0"},
        {R"({"limits": {"memcg_limit_bytes": 1.5}})",
         "limits.memcg_limit_bytes: expected a whole number from 0"},
        {R"({"daemon_tids": {"a": 1}})", "daemon_tids: expected a list, found object"},
        {R"({"daemon_tids": [1, 4294967296]})", "daemon_tids[1]: expected a whole number of 32 bits"},
        {R"({"daemon_tids": [18446744073709551615]})", "daemon_tids[0]: expected a whole number of 32 bits"},
        {R"({"daemon_tids": [-2147483649]})", "daemon_tids[0]: expected a whole number of 32 bits"},
        {R"({"trace": {"available": 1}})", "trace.available: expected true or false, found number"},
        {R"({"stall": {"snapshots": [{}, {"tasks": [{"state": "DD"}]}]}})",
         "stall.snapshots[1].tasks[0].state: expected one letter, found string"},
        {R"({"stall": {"snapshots": [{"tasks": [{"state": 68}]}]}})", "tasks[0].state: expected one letter"},
        {R"({"stall": 3})", "stall: expected an object, found number"},
        {R"({"kernel_log": ["a", null]})", "kernel_log[1]: expected a text, found null"},
        {R"([])", "expected an object, found array"},
        {R"(null)", "expected an object, found null"},
        {R"({"schema": "1"})", "schema: expected a whole number"},
        {R"({"schema": 2})", "schema: 2 is not known to this program, which reads 1 to 1"},
        {R"({"schema": 0})", "schema: 0 is not known"},
        {R"({"schema": 99, "scenario": 7})", "schema: 99 is not known"},
    };
    for (const Wrong& wrong : cases) {
        const auto read = from_json(wrong.text);
        ASSERT_FALSE(read) << wrong.text;
        EXPECT_EQ(read.error().kind, ErrorKind::invalid_input);
        EXPECT_THAT(read.error().message, HasSubstr(wrong.message)) << wrong.text;
    }
}

TEST(EvidenceJson, GarbageIsAnError) {
    using namespace std::string_literals;
    for (const std::string& text : {""s, " "s, "{"s, "}"s, "{\"a\"}"s, "nonsense"s, "\0\0\0"s, "\xff\xfe{}"s,
                                    "{} {}"s, "{\"scenario\": \"\xff\"}"s, "{\"duration_s\": 1e999}"s,
                                    std::string(100000, '['), "{\"a\": 01}"s}) {
        const auto read = from_json(text);
        ASSERT_FALSE(read) << text.substr(0, 40);
        EXPECT_THAT(read.error().message, HasSubstr("evidence:"));
    }
}

TEST(EvidenceJson, EveryTruncationIsAnError) {
    std::string text = to_json(full());
    text = text.substr(0, text.rfind('}') + 1);
    for (std::size_t length = 0; length < text.size(); ++length) {
        ASSERT_FALSE(from_json(std::string_view(text).substr(0, length))) << length;
    }
    EXPECT_TRUE(from_json(text));
}

TEST(EvidenceJson, BytesThatAreNotUtf8AndNumbersThatAreNotFiniteCanBeWrittenAndReadBack) {
    Evidence evidence;
    evidence.kernel_log = {"comm \xff\xc0 odd"};
    evidence.duration_s = std::numeric_limits<double>::quiet_NaN();
    evidence.limits.stall_window_s = std::numeric_limits<double>::infinity();
    const auto read = from_json(to_json(evidence));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_THAT(read->kernel_log.at(0), HasSubstr("odd"));
    EXPECT_EQ(read->duration_s, 0);
    EXPECT_EQ(read->limits.stall_window_s, 0);
}

TEST(EvidenceJson, NamesTheFieldOfEveryFixture) {
    for (const std::string& name : testing::fixture_names()) {
        const auto read = from_json(testing::fixture_text(name, "evidence.json"));
        ASSERT_TRUE(read) << name << ": " << read.error().message;
        const auto again = from_json(to_json(*read));
        ASSERT_TRUE(again) << name;
        EXPECT_EQ(to_json(*again), to_json(*read)) << name;
    }
}

}  // namespace
}  // namespace reflux
