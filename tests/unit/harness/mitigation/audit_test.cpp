#include "harness/mitigation/audit.h"

#include "tests/support/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::mitigation {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t unmarked = 0x00400140;
constexpr std::uint64_t marked = 0x00580140;

ThreadStat thread(int tid, std::uint64_t flags, std::uint64_t start, const std::string& name = "worker") {
    return {.tid = tid, .stat = {.name = name, .state = 'S', .flags = flags, .start_time = start}};
}

// Of a program that calls itself "server"; its main thread is 100.
Process process(std::vector<ThreadStat> threads) {
    threads.front().stat.name = "server";
    return {.pid = 100, .threads = std::move(threads), .first_pid_namespace = true};
}

Audit audit_of(const Process& process, const IoPath& io_path = {}) {
    const auto result = audit(process, io_path);
    EXPECT_TRUE(result) << result.error().message;
    return result ? *result : Audit{};
}

// Of the last thread.
std::string origin_of(const Process& process) {
    const auto result = audit_of(process);
    const auto& origin = result.threads.back().origin;
    return origin ? fmt::format("{}{}", origin->before_mark() ? "before: " : "", to_string(*origin)) : "none";
}

TEST(Audit, PassesOnlyWhenEveryThreadIsMarked) {
    const auto all = audit_of(process({thread(100, marked, 5), thread(101, marked, 5)}));
    EXPECT_TRUE(all.passed());
    EXPECT_EQ(all.on_io_path, 2U);
    const auto some = audit_of(process({thread(100, marked, 5), thread(101, unmarked, 5)}));
    EXPECT_FALSE(some.passed());
    EXPECT_EQ(some.unmarked, 1U);
}

// PR_GET_IO_FLUSHER's rule; each bit alone is a scope of the kernel that the thread was in at the moment.
TEST(Audit, HalfOfTheFlagsIsNoMark) {
    for (const std::uint64_t flags :
         {pf_memalloc_noio, pf_local_throttle, pf_memalloc_nofs, pf_memalloc | pf_memalloc_nofs}) {
        EXPECT_FALSE(audit_of(process({thread(100, unmarked | flags, 5)})).passed()) << flags;
    }
    EXPECT_TRUE(audit_of(process({thread(100, marked | pf_memalloc_nofs, 5)})).passed());
}

TEST(Audit, StartsAreCountedFromTheMainThread) {
    auto server = process({thread(100, marked, 1000), thread(101, marked, 1250)});
    EXPECT_DOUBLE_EQ(audit_of(server).threads[1].started_s, 2.5);
    server.ticks_per_second = 1000;
    EXPECT_DOUBLE_EQ(audit_of(server).threads[1].started_s, 0.25);
}

TEST(Audit, ThreadsOfIoUringAreNamedByTheirFlag) {
    constexpr std::uint64_t io = pf_io_worker;
    const auto result = audit_of(process({thread(100, marked, 5), thread(101, marked | io, 6, "iou-wrk-100"),
                                          thread(102, marked | io, 6, "iou-sqp-100"),
                                          thread(103, marked, 6, "iou-wrk-100"),  // so it calls itself
                                          thread(104, marked | pf_kthread, 6, "vhost-100")}));
    std::vector<std::string> kinds;
    for (const auto& audited : result.threads) {
        kinds.push_back(to_string(audited.kind));
    }
    EXPECT_THAT(kinds,
                ElementsAre("main thread", "io-wq worker", "SQPOLL thread", "thread", "kernel thread"));
    EXPECT_EQ(result.threads[1].works_for, 100);
    EXPECT_EQ(result.threads[2].works_for, 100);
    EXPECT_EQ(result.threads[3].works_for, std::nullopt);
}

TEST(Audit, AThreadOfIoUringWhoseNumberCannotBeTrusted) {
    const auto works_for = [](const std::string& name, std::uint64_t start, bool first_namespace = true) {
        auto server = process({thread(100, marked, 5), thread(101, marked, 50),
                               thread(102, marked | pf_io_worker, start, name)});
        server.first_pid_namespace = first_namespace;
        return audit_of(server).threads.back().works_for;
    };
    EXPECT_EQ(works_for("iou-wrk-101", 50), 101);
    EXPECT_EQ(works_for("iou-wrk-101", 49), std::nullopt) << "101 is younger: another had its number";
    EXPECT_EQ(works_for("iou-wrk-77", 50), std::nullopt) << "it has ended";
    EXPECT_EQ(works_for("iou-wrk-101", 50, false), std::nullopt) << "numbers of another pid namespace";
    EXPECT_EQ(works_for("iou-wrk-101x", 50), std::nullopt);
    EXPECT_EQ(works_for("iou-wrk-", 50), std::nullopt);
    EXPECT_EQ(works_for("iou-mgr-101", 50), std::nullopt);
}

TEST(Origin, NothingIsSaidWhereNoThreadIsMarked) {
    EXPECT_EQ(origin_of(process({thread(100, unmarked, 5), thread(101, unmarked, 6)})), "none");
    EXPECT_EQ(origin_of(process({thread(100, unmarked, 5)})), "none");
}

TEST(Origin, OfAMarkedThreadThereIsNoQuestion) {
    EXPECT_EQ(origin_of(process({thread(100, unmarked, 5), thread(101, marked, 6)})), "none");
}

TEST(Origin, AMarkedMainThreadProvesThatItWasLate) {
    // The only marked one: whatever is not marked comes from before.
    EXPECT_EQ(origin_of(process({thread(100, marked, 5), thread(101, unmarked, 6)})),
              "before: made before the main thread was marked, or by one that was");
    // Older than the one that was made afterwards.
    EXPECT_EQ(origin_of(process({thread(100, marked, 5), thread(102, marked, 7), thread(101, unmarked, 6)})),
              "before: made before the main thread was marked, or by one that was");
}

TEST(Origin, AYoungerThreadIsNotSaidToBeFromBefore) {
    const std::string after = "made after the marked thread 101, by an unmarked one";
    EXPECT_EQ(origin_of(process({thread(100, marked, 5), thread(101, marked, 6), thread(102, unmarked, 7)})),
              after);
    EXPECT_EQ(origin_of(process({thread(100, unmarked, 5), thread(101, marked, 6), thread(103, marked, 9),
                                 thread(102, unmarked, 7)})),
              after)
        << "the oldest marked one counts";
}

TEST(Origin, WithinOneTickTheOrderIsNotKnown) {
    EXPECT_EQ(origin_of(process({thread(100, marked, 5), thread(101, marked, 6), thread(102, unmarked, 6)})),
              "made at the same time as the marked thread 101");
}

TEST(Origin, AnUnmarkedMainThread) {
    EXPECT_EQ(
        origin_of(process({thread(100, unmarked, 5), thread(102, marked, 7), thread(101, unmarked, 6)})),
        "before: made before every marked thread");
    const auto result = audit_of(process({thread(100, unmarked, 5), thread(101, marked, 6)}));
    ASSERT_TRUE(result.threads[0].origin);
    EXPECT_EQ(result.threads[0].origin->kind, Origin::Kind::main);
    EXPECT_FALSE(result.threads[0].origin->before_mark());
}

TEST(Origin, OfIoUringFollowsTheThreadThatItWorksFor) {
    constexpr std::uint64_t worker = unmarked | pf_io_worker;
    // Younger than a marked thread, and yet from before the mark of the one that counts.
    EXPECT_EQ(origin_of(process({thread(100, unmarked, 5), thread(101, marked, 6), thread(102, marked, 6),
                                 thread(103, worker, 9, "iou-wrk-102")})),
              "before: made before thread 102 was marked");
    EXPECT_EQ(origin_of(process(
                  {thread(100, unmarked, 5), thread(101, marked, 6), thread(103, worker, 9, "iou-sqp-100")})),
              "as is thread 100, for which it works");
    EXPECT_EQ(origin_of(process({thread(100, marked, 5), thread(103, worker, 9, "iou-wrk-77")})),
              "before: made before the main thread was marked, or by one that was");
}

std::vector<int> io_path_of(const Process& process, const IoPath& io_path) {
    std::vector<int> tids;
    for (const auto& audited : audit_of(process, io_path).threads) {
        if (audited.on_io_path) {
            tids.push_back(audited.thread.tid);
        }
    }
    return tids;
}

TEST(IoPath, IsEveryThreadUnlessItIsSaid) {
    const auto server = process({thread(100, marked, 5), thread(101, unmarked, 6, "log"),
                                 thread(102, marked, 6, "io-0"), thread(103, marked, 6, "io-1")});
    EXPECT_THAT(io_path_of(server, {}), ElementsAre(100, 101, 102, 103));
    EXPECT_THAT(io_path_of(server, {.only = {"io-*"}}), ElementsAre(102, 103));
    EXPECT_THAT(io_path_of(server, {.only = {"103", "server"}}), ElementsAre(100, 103));
    EXPECT_THAT(io_path_of(server, {.except = {"log", "102", "nobody"}}), ElementsAre(100, 103));
    EXPECT_TRUE(audit_of(server, {.except = {"log"}}).passed());
    EXPECT_TRUE(audit_of(server, {.only = {"io-*"}}).passed());
    EXPECT_FALSE(audit_of(server, {.only = {"lo?"}}).passed());
}

// A name that is wrong must not turn into "all marked".
TEST(IoPath, MustHoldWhatWasNamed) {
    const auto server = process({thread(100, marked, 5)});
    for (const auto& io_path :
         {IoPath{.only = {"server", "io-*"}}, IoPath{.only = {"10"}}, IoPath{.except = {"*"}}}) {
        const auto result = audit(server, io_path);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().kind, ErrorKind::invalid_input);
    }
}

TEST(IoPath, OfRefluxdIsKnown) {
    auto refluxd = process({thread(100, unmarked, 5), thread(101, unmarked, 6, "refluxd-ctl"),
                            thread(102, unmarked, 6, "refluxd-io")});
    EXPECT_THAT(io_path_of(refluxd, {}), ElementsAre(100, 101, 102)) << "that is no refluxd";
    refluxd.threads.front().stat.name = "refluxd-fuse";
    EXPECT_THAT(io_path_of(refluxd, {}), ElementsAre(100, 102));
    EXPECT_THAT(io_path_of(refluxd, {.only = {"refluxd-ctl"}}), ElementsAre(101));
    EXPECT_THAT(io_path_of(refluxd, {.except = {"refluxd-io"}}), ElementsAre(100, 101));
}

TEST(IoPath, DoesNotHoldWhatHasEnded) {
    auto server = process({thread(100, unmarked, 5), thread(101, marked, 6)});
    server.threads.front().stat.state = 'Z';  // its main thread called pthread_exit()
    EXPECT_THAT(io_path_of(server, {}), ElementsAre(101));
    EXPECT_TRUE(audit_of(server).threads.front().ended);
    server.threads.pop_back();
    const auto zombie = audit(server, {});
    ASSERT_FALSE(zombie);
    EXPECT_EQ(zombie.error().kind, ErrorKind::unsupported);
    EXPECT_THAT(zombie.error().message, HasSubstr("has ended"));
}

// A materialised /proc with the process 100.
class ReadProcessTest : public testing::Test {
  protected:
    ReadProcessTest() {
        add_thread(100, "server", 5);
        proc_.write("100/status", "Name:\tserver\nTgid:\t100\n");
        proc_.write("100/stat", line(100, "server", 5));
    }
    static std::string line(int tid, const std::string& name, int start) {
        return fmt::format("{} ({}) S 1 1 1 0 -1 {} 0 0 0 0 0 0 0 0 20 0 1 0 {} 0 0\n", tid, name, marked,
                           start);
    }
    void add_thread(int tid, const std::string& name, int start) {
        proc_.write(fmt::format("100/task/{}/stat", tid), line(tid, name, start));
    }
    void set_pid_namespace(const std::string& target) {
        std::filesystem::create_directories(proc_ / "self/ns");
        std::filesystem::create_symlink(target, proc_ / "self/ns/pid");
    }
    [[nodiscard]] Result<Process> read(int id = 100) const { return read_process(proc_.path(), id); }
    void expect_refused(int id, const std::string& part) const {
        const auto process = read(id);
        ASSERT_FALSE(process);
        EXPECT_EQ(process.error().kind, ErrorKind::unsupported);
        EXPECT_THAT(process.error().message, HasSubstr(part));
    }

    test::TemporaryFolder proc_;
};

TEST_F(ReadProcessTest, GivesEveryThread) {
    add_thread(1000, "b) S (", 7);
    add_thread(101, "a", 6);
    const auto process = read();
    ASSERT_TRUE(process) << process.error().message;
    EXPECT_EQ(process->pid, 100);
    ASSERT_EQ(process->threads.size(), 3U);
    EXPECT_EQ(process->threads[1].tid, 101);
    EXPECT_EQ(process->threads[2].stat.name, "b) S (");
    EXPECT_EQ(process->threads[2].stat.start_time, 7U);
    EXPECT_GT(process->ticks_per_second, 0U);
}

TEST_F(ReadProcessTest, AThreadStandsForItsProcess) {
    proc_.write("101/status", "Name:\tworker\nTgid:\t100\n");
    const auto process = read(101);
    ASSERT_TRUE(process) << process.error().message;
    EXPECT_EQ(process->pid, 100);
}

TEST_F(ReadProcessTest, KnowsTheFirstPidNamespace) {
    EXPECT_FALSE(read()->first_pid_namespace) << "not known";
    set_pid_namespace("pid:[4026531836]");
    EXPECT_TRUE(read()->first_pid_namespace);
    std::filesystem::remove(proc_ / "self/ns/pid");
    set_pid_namespace("pid:[4026532447]");
    EXPECT_FALSE(read()->first_pid_namespace);
}

TEST_F(ReadProcessTest, RefusesWhatIsNoProcess) {
    expect_refused(99, "no process 99");
    proc_.write("102/status", "Name:\tx\n");
    expect_refused(102, "Tgid");
}

TEST_F(ReadProcessTest, AProcessThatEndsMeanwhileIsGone) {
    // Its folder is still there, its threads are not.
    std::filesystem::remove_all(proc_ / "100/task/100");
    expect_refused(100, "no process 100");
    std::filesystem::remove_all(proc_ / "100/task");
    expect_refused(100, "no process 100");
}

TEST_F(ReadProcessTest, ANumberThatWentToAnotherProcessMeanwhileIsNotMixedUp) {
    proc_.write("100/stat", line(100, "other", 6));
    expect_refused(100, "no process 100");
}

// What cannot be read must not be left out of "every thread".
TEST_F(ReadProcessTest, AThreadThatCannotBeReadIsAnError) {
    proc_.write("100/task/101/stat", "101 (torn");
    expect_refused(100, "cannot be read");
}

TEST_F(ReadProcessTest, AThreadThatHasEndedMeanwhileIsLeftOut) {
    std::filesystem::create_directories(proc_ / "100/task/101");
    EXPECT_EQ(read()->threads.size(), 1U);
}

}  // namespace
}  // namespace reflux::mitigation
