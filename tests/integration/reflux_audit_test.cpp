// `reflux audit` and `reflux exec` on real processes. What needs CAP_SYS_RESOURCE is tested in a guest too
// (tests/vm/vm_privileged_test.cpp).
#include "backend/base/io_flusher.h"
#include "backend/base/kernel_file.h"
#include "backend/base/task_stat.h"
#include "tests/integration/support/reflux_run.h"
#include "tests/integration/support/refluxd_fixture.h"
#include "tests/integration/support/subject.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
namespace files = std::filesystem;

Ran audit(pid_t pid, const std::string& options = "") {
    return run_reflux(fmt::format("audit {} {}", pid, options));
}

json audited(pid_t pid, const std::string& options = "") {
    const auto ran = audit(pid, "--json " + options);
    auto parsed = json::parse(ran.output, nullptr, false);
    EXPECT_TRUE(parsed.is_object()) << ran.output << ran.errors;
    return parsed;
}

// The thread of this name; of several the first.
json thread_named(const json& audit, const std::string& name) {
    for (const auto& thread : audit["threads"]) {
        if (thread["name"] == name) {
            return thread;
        }
    }
    ADD_FAILURE() << "no thread " << name << " in " << audit.dump(2);
    return {};
}

// One clear line, and nothing where the answer would stand.
void expect_told(const Ran& ran, int code, const std::string& part) {
    EXPECT_EQ(ran.code, code) << ran.output << ran.errors;
    EXPECT_EQ(ran.output, "");
    EXPECT_THAT(ran.errors, AllOf(StartsWith("reflux: "), HasSubstr(part)));
    EXPECT_EQ(std::count(ran.errors.begin(), ran.errors.end(), '\n'), 1) << ran.errors;
}

class AuditRefluxdTest : public RefluxdTest {};

TEST_F(AuditRefluxdTest, AnUnmarkedRefluxdFailsThreadByThread) {
    auto process = serve({"--engine", "threads", "--threads", "2"});
    ASSERT_TRUE(process) << process.error().message;
    const auto ran = audit(process->pid());
    EXPECT_EQ(ran.code, 1) << ran.output << ran.errors;
    EXPECT_THAT(ran.output, AllOf(HasSubstr("3 of 3 threads on the I/O path are not marked"),
                                  HasSubstr("refluxd-io/0"), HasSubstr("UNMARKED"),
                                  HasSubstr("not on the I/O path"), HasSubstr("reflux exec --mitigation")));
    const auto found = audited(process->pid());
    EXPECT_EQ(found["unmarked"], 3);
    EXPECT_EQ(found["threads"].size(), 4U);
    EXPECT_EQ(thread_named(found, "refluxd-ctl")["on_io_path"], false);
    EXPECT_EQ(thread_named(found, "refluxd-io/1")["on_io_path"], true);
    EXPECT_EQ(thread_named(found, "refluxd-io/1")["io_flusher"], false);
    end_well(*process);
}

TEST_F(AuditRefluxdTest, AMarkedRefluxdPasses) {
    if (!holds_sys_resource()) {
        GTEST_SKIP() << "no CAP_SYS_RESOURCE: no daemon can be marked here";
    }
    auto process = serve({"--engine", "threads", "--io-flusher"});
    ASSERT_TRUE(process) << process.error().message;
    const auto ran = audit(process->pid());
    EXPECT_EQ(ran.code, 0) << ran.output << ran.errors;
    EXPECT_THAT(ran.output, HasSubstr("all 5 threads on the I/O path are marked"));
    end_well(*process);
}

class AuditTest : public testing::Test {
  protected:
    TemporaryFolder folder_;
};

TEST_F(AuditTest, EveryThreadOfAForeignProcessCountsUnlessItIsSaid) {
    const auto subject = Subject::start([]() -> Status {
        start_thread("io-0");
        start_thread("log");
        return {};
    });
    ASSERT_TRUE(subject) << subject.error().message;
    const auto found = audited(subject->pid());
    EXPECT_EQ(found["marked"], false);
    EXPECT_EQ(found["on_io_path"], 3);
    EXPECT_EQ(thread_named(found, "log")["on_io_path"], true);
    EXPECT_EQ(found["threads"][0]["kind"], "main thread");
    EXPECT_EQ(found["threads"][0]["tid"], subject->pid());
    EXPECT_TRUE(thread_named(found, "log")["origin"].is_null()) << "nobody is marked";
    EXPECT_EQ(audited(subject->pid(), "--only io-0")["on_io_path"], 1);
    EXPECT_EQ(audited(subject->pid(), "--except 'io-*',log")["on_io_path"], 1);
    EXPECT_EQ(audited(subject->pid(), "--except 'io-*' --except log")["on_io_path"], 1);
    const int log = thread_named(found, "log")["tid"];
    EXPECT_EQ(audited(log, fmt::format("--only {}", log))["pid"], subject->pid()) << "a thread's number does";
    EXPECT_EQ(audit(subject->pid(), "--only io-0").code, 1);
}

TEST_F(AuditTest, ThreadsThatIoUringMadeAreNamed) {
    const auto subject = Subject::start([]() -> Status {
        REFLUX_CHECK(start_sqpoll());
        return start_io_wq_worker();
    });
    if (!subject) {
        ASSERT_THAT(subject.error().message, HasSubstr("io_uring_setup"));
        GTEST_SKIP() << "no io_uring on this machine: " << subject.error().message;
    }
    const auto found = audited(subject->pid());
    std::map<std::string, json> by_kind;
    for (const auto& thread : found["threads"]) {
        by_kind[thread["kind"]] = thread;
    }
    ASSERT_EQ(by_kind.size(), 3U) << found.dump(2);
    // The numbers in their names are of the first pid namespace.
    const bool first = files::read_symlink("/proc/self/ns/pid") == "pid:[4026531836]";
    const json works_for = first ? json(subject->pid()) : json(nullptr);
    EXPECT_EQ(by_kind["SQPOLL thread"]["works_for"], works_for);
    EXPECT_EQ(by_kind["io-wq worker"]["works_for"], works_for);
    EXPECT_EQ(found["unmarked"], 3);
}

TEST_F(AuditTest, AMainThreadThatHasEndedIsOnNoPath) {
    const auto subject = Subject::start(
        []() -> Status {
            start_thread("stays");
            return {};
        },
        Subject::Then::end_main_thread);
    ASSERT_TRUE(subject) << subject.error().message;
    const auto main = fmt::format("/proc/{0}/task/{0}/stat", subject->pid());
    ASSERT_TRUE(comes_true([&] {
        const auto stat = read_task_stat(main);
        return stat && stat->state == 'Z';
    }));
    const auto found = audited(subject->pid());
    EXPECT_EQ(found["on_io_path"], 1);
    EXPECT_EQ(thread_named(found, "stays")["on_io_path"], true);
    EXPECT_THAT(audit(subject->pid()).output, HasSubstr("main thread; ended"));
}

TEST_F(AuditTest, AProcessThatIsGoneIsToldOf) {
    pid_t pid = 0;
    {
        auto subject = Subject::start([]() -> Status { return {}; });
        ASSERT_TRUE(subject) << subject.error().message;
        pid = subject->pid();
        ASSERT_TRUE(subject->kill_unreaped());
        expect_told(audit(pid), 3, fmt::format("process {} has ended", pid));
    }
    expect_told(audit(pid), 3, fmt::format("no process {}", pid));
    expect_told(audit(pid, "--json"), 3, fmt::format("no process {}", pid));
}

// Whatever moment the end falls into, the answer is one of the two.
TEST_F(AuditTest, AProcessThatEndsWhileItIsAudited) {
    const auto ran = run_shell(
        "for i in $(seq 40); do\n"
        "    sleep 0.00$((i % 10)) & \"$REFLUX\" audit $! >/dev/null; code=$?\n"
        "    [ $code = 1 ] || [ $code = 3 ] || exit $((100 + code))\n"
        "done; wait");
    EXPECT_EQ(ran.code, 0) << ran.errors;
    for (const auto& line : lines_of(ran.errors)) {
        EXPECT_THAT(line, testing::MatchesRegex("reflux: (there is no process [0-9]+, or it has just ended|"
                                                "process [0-9]+ has ended)"));
    }
}

TEST_F(AuditTest, UsageErrors) {
    for (const char* arguments :
         {"", "x", "0", "-1", "1.5", "99999999999", "1 --bogus", "1 2", "1 --only a --except b", "1 --only",
          "1 --only no-such-thread", "1 --except '*'"}) {
        const auto ran = run_reflux(std::string("audit ") + arguments);
        EXPECT_EQ(ran.code, 2) << arguments << ran.output << ran.errors;
        EXPECT_NE(ran.errors, "") << arguments;
    }
}

class ExecTest : public AuditTest {
  protected:
    // A program that leaves a trace when it runs.
    [[nodiscard]] std::string touch() const { return "touch " + file(); }
    [[nodiscard]] std::string file() const { return folder_ / "it-ran"; }
    void expect_refused(const std::string& arguments, int code, const std::string& part) const {
        expect_told(run_reflux("exec " + arguments), code, part);
        EXPECT_FALSE(files::exists(file())) << "it was started";
    }
};

TEST_F(ExecTest, WithoutTheCapabilityTheProgramIsNotStarted) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "not root: it cannot drop a capability";
    }
    expect_told(
        run_shell("exec setpriv --bounding-set=-sys_resource \"$REFLUX\" exec --mitigation io_flusher -- " +
                  touch()),
        3, "it needs CAP_SYS_RESOURCE; touch was not started");
    EXPECT_FALSE(files::exists(file()));
}

TEST_F(ExecTest, WhatIsNoMitigationOfAProgramIsToldWhatIs) {
    const std::string those = "a program can be started with: io_flusher";
    expect_refused("--mitigation no_such_thing -- " + touch(), 2, those);
    expect_refused("--mitigation own_cgroup -- " + touch(), 2, those);
    expect_refused("--mitigation io_flusher --mitigation own_cgroup -- " + touch(), 2, those);
}

TEST_F(ExecTest, UsageErrors) {
    for (const auto& arguments :
         {std::string(), "-- " + touch(), "--mitigation -- " + touch(), "--mitigation io_flusher " + touch(),
          std::string("--mitigation io_flusher"), std::string("--mitigation io_flusher --"),
          std::string("--mitigation io_flusher true")}) {
        const auto ran = run_reflux("exec " + arguments);
        EXPECT_EQ(ran.code, 2) << arguments << ran.output << ran.errors;
        EXPECT_NE(ran.errors, "") << arguments;
        EXPECT_FALSE(files::exists(file())) << arguments;
    }
}

// The tests from here on mark processes.
class MarkedTest : public ExecTest {
  protected:
    void SetUp() override {
        if (!holds_sys_resource()) {
            GTEST_SKIP() << "no CAP_SYS_RESOURCE: nothing can be marked here";
        }
    }
    static Ran exec(const std::string& program) {
        return run_reflux("exec --mitigation io_flusher -- " + program);
    }
};

TEST_F(MarkedTest, ExecBecomesTheProgramMarked) {
    // The shell has reflux's own number; its child inherits the mark.
    const auto ran = run_shell(
        "\"$REFLUX\" exec --mitigation io_flusher -- sh -c '\n"
        "    echo shell $$; \"$REFLUX\" audit $$ || exit 8\n"
        "    sleep 20 & \"$REFLUX\" audit $! || exit 9\n"
        "    kill $!; exit 7' &\n"
        "echo started $!; wait $!");
    EXPECT_EQ(ran.code, 7) << ran.output << ran.errors;
    EXPECT_THAT(ran.errors,
                HasSubstr("reflux: io_flusher holds: PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE on every"));
    EXPECT_THAT(ran.output, HasSubstr("(sh): all 1 threads on the I/O path are marked"));
    // "WORD NUMBER"
    const auto number_after = [&](const std::string& word) {
        for (const auto& line : lines_of(ran.output)) {
            if (line.starts_with(word + " ")) {
                return line.substr(word.size() + 1);
            }
        }
        return "no " + word;
    };
    EXPECT_EQ(number_after("started"), number_after("shell"));
}

TEST_F(MarkedTest, TheProgramsStatusAndArgumentsAreItsOwn) {
    EXPECT_EQ(exec("sh -c 'kill -9 $$'").code, 128 + 9);
    const auto ran = exec("printf '<%s>' '[a,b]' -- --help '' 'two words' exec");
    EXPECT_EQ(ran.code, 0);
    EXPECT_EQ(ran.output, "<[a,b]><--><--help><><two words><exec>");
}

TEST_F(MarkedTest, AProgramThatIsNotThereIsToldOf) {
    const auto ran = exec("no-such-program");
    EXPECT_EQ(ran.code, 2);
    EXPECT_THAT(ran.errors, HasSubstr("reflux: exec no-such-program: No such file or directory"));
}

// A server that marks itself too late.
TEST_F(MarkedTest, ThreadsFromBeforeTheMarkAreFound) {
    const auto subject = Subject::start([]() -> Status {
        start_thread("early");
        next_tick();
        REFLUX_CHECK(mark_io_flusher());
        start_thread("late");
        return {};
    });
    ASSERT_TRUE(subject) << subject.error().message;
    const auto ran = audit(subject->pid());
    EXPECT_EQ(ran.code, 1) << ran.output << ran.errors;
    EXPECT_THAT(ran.output, HasSubstr("1 of 3 threads on the I/O path are not marked"));
    EXPECT_THAT(ran.output, HasSubstr("made before the main thread was marked"));
    const auto found = audited(subject->pid());
    EXPECT_EQ(found["threads"][0]["io_flusher"], true);
    EXPECT_EQ(thread_named(found, "early")["io_flusher"], false);
    EXPECT_EQ(thread_named(found, "early")["made_before_mark"], true);
    EXPECT_EQ(thread_named(found, "late")["io_flusher"], true);
    EXPECT_EQ(audit(subject->pid(), "--except early").code, 0);
}

TEST_F(MarkedTest, ThreadsOfIoUringCopyTheOneThatTheyWorkFor) {
    const auto subject = Subject::start([]() -> Status {
        REFLUX_CHECK(start_sqpoll());
        next_tick();
        REFLUX_CHECK(mark_io_flusher());
        return start_io_wq_worker();
    });
    ASSERT_TRUE(subject) << subject.error().message;
    const auto found = audited(subject->pid());
    EXPECT_EQ(found["unmarked"], 1);
    for (const auto& thread : found["threads"]) {
        const bool sqpoll = thread["kind"] == "SQPOLL thread";
        EXPECT_EQ(thread["io_flusher"], !sqpoll) << thread.dump(2);
        EXPECT_EQ(thread["made_before_mark"], sqpoll ? json(true) : json(nullptr)) << thread.dump(2);
    }
    EXPECT_EQ(audit(subject->pid(), "--except 'iou-sqp-*'").code, 0);
}

}  // namespace
}  // namespace reflux::test
