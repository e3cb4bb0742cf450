#include "harness/run/audit_verbs.h"

#include "backend/base/kernel_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reflux::run {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

ThreadStat thread(int tid, std::uint64_t flags, std::uint64_t start, const std::string& name) {
    return {.tid = tid, .stat = {.name = name, .state = 'S', .flags = flags, .start_time = start}};
}

mitigation::Audit audit_of(std::vector<ThreadStat> threads, const mitigation::IoPath& io_path = {}) {
    const auto audit =
        mitigation::audit({.pid = 100, .threads = std::move(threads), .first_pid_namespace = true}, io_path);
    EXPECT_TRUE(audit) << audit.error().message;
    return audit ? *audit : mitigation::Audit{};
}

// As of a server that was marked too late.
mitigation::Audit late() {
    return audit_of(
        {thread(100, 0x00580140, 1000, "server"), thread(101, 0x00440140, 1010, "log"),
         thread(102, 0x00400150, 1020, "iou-sqp-100"), thread(103, 0x00580150, 1400, "iou-wrk-100")},
        {.except = {"log"}});
}

std::string line_with(const std::string& text, const std::string& part) {
    for (const auto& line : lines_of(text)) {
        if (line.find(part) != std::string::npos) {
            return line;
        }
    }
    return "";
}

TEST(AuditText, SaysWhichThreadsAreUnmarkedAndWhy) {
    const auto text = audit_text(late());
    EXPECT_THAT(text, StartsWith("process 100 (server): 1 of 3 threads on the I/O path are not marked as I/O "
                                 "flushers\n"));
    EXPECT_THAT(line_with(text, "  100 "), AllOf(HasSubstr("+0.00 s"), HasSubstr("0x00580140"),
                                                 HasSubstr("io flusher"), HasSubstr("main thread")));
    EXPECT_THAT(
        line_with(text, "  101 "),
        AllOf(HasSubstr("none, NOFS"), HasSubstr("not on the I/O path; made before the main thread was "
                                                 "marked, or by one that was")));
    EXPECT_THAT(
        line_with(text, "  102 "),
        AllOf(HasSubstr("UNMARKED"), HasSubstr("SQPOLL thread of 100; made before thread 100 was marked")));
    EXPECT_THAT(line_with(text, "  103 "), AllOf(HasSubstr("+4.00 s"), HasSubstr("io flusher"),
                                                 testing::EndsWith("io-wq worker of 100")));
    EXPECT_THAT(text, HasSubstr("reflux exec --mitigation io_flusher"));
}

TEST(AuditText, IsShortWhenAllAreMarked) {
    const auto text = audit_text(audit_of({thread(100, 0x00580140, 1000, "server")}));
    EXPECT_THAT(text, StartsWith("process 100 (server): all 1 threads on the I/O path are marked"));
    EXPECT_THAT(text, Not(HasSubstr("UNMARKED")));
}

TEST(AuditText, HalfAMarkIsShownAsWhatItIs) {
    const auto text = audit_text(audit_of({thread(100, 0x00480940, 1000, "server")}));
    EXPECT_THAT(text, HasSubstr("UNMARKED, NOIO, memalloc"));
}

TEST(AuditText, NamesCannotWriteToTheTerminal) {
    const auto text = audit_text(audit_of({thread(100, 0, 1, "a\033[2Jb\nc")}));
    EXPECT_THAT(text, HasSubstr("a?[2Jb?c"));
    EXPECT_THAT(text, Not(HasSubstr("\033")));
}

TEST(AuditJson, HoldsWhatTheTextHolds) {
    const auto json = nlohmann::json::parse(audit_json(late()));
    EXPECT_EQ(json["schema"], 1);
    EXPECT_EQ(json["pid"], 100);
    EXPECT_EQ(json["marked"], false);
    EXPECT_EQ(json["on_io_path"], 3);
    EXPECT_EQ(json["unmarked"], 1);
    ASSERT_EQ(json["threads"].size(), 4U);
    const auto& log = json["threads"][1];
    EXPECT_EQ(log["nofs"], true);
    EXPECT_EQ(log["noio"], false);
    EXPECT_EQ(log["on_io_path"], false);
    const auto& sqpoll = json["threads"][2];
    EXPECT_EQ(sqpoll["kind"], "SQPOLL thread");
    EXPECT_EQ(sqpoll["works_for"], 100);
    EXPECT_EQ(sqpoll["io_flusher"], false);
    EXPECT_EQ(sqpoll["made_before_mark"], true);
    EXPECT_EQ(sqpoll["started_s"], 0.2);
    const auto& worker = json["threads"][3];
    EXPECT_EQ(worker["io_flusher"], true);
    EXPECT_EQ(worker["local_throttle"], true);
    EXPECT_EQ(worker["flags"], 0x00580150);
    EXPECT_TRUE(worker["made_before_mark"].is_null());
    EXPECT_TRUE(worker["origin"].is_null());
}

TEST(AuditJson, OutlivesNamesThatAreNoText) {
    const auto json =
        nlohmann::json::parse(audit_json(audit_of({thread(100, 0, 1, "a\xff")})), nullptr, false);
    EXPECT_TRUE(json.is_object());
}

}  // namespace
}  // namespace reflux::run
