#include "harness/observe/task_stacks.h"

#include "temporary_tree.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::observe {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr unsigned kernel_thread = 0x00200040;

// A proc tree as the kernel writes it.
class Proc {
  public:
    void task(int pid, int tid, const std::string& name, char state, unsigned flags,
              const std::string& stack = "[<0>] schedule_timeout+0x1/0x2\n") const {
        const auto stat = fmt::format(
            "{} ({}) {} 2 0 0 0 -1 {} 0 0 0 0 30 12 0 0 20 0 1 0 215753 0 0 18446744073709551615 0 0 0 0 0 0 "
            "0\n",
            tid, name, state, flags);
        const auto directory = fmt::format("{}/task/{}", pid, tid);
        tree_.file(directory + "/stat", stat);
        tree_.file(directory + "/stack", stack);
        tree_.file(directory + "/status",
                   "Name:\tx\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t9\n");
        if (pid == tid) {
            tree_.file(fmt::format("{}/stat", pid), stat);
        }
    }
    [[nodiscard]] const TemporaryTree& tree() const { return tree_; }
    [[nodiscard]] std::string root() const { return tree_.path(); }

  private:
    TemporaryTree tree_;
};

StackMembers members() {
    return {.upper = {.name = "loop1", .number = "7:1", .filesystem = "ext4"},
            .lower = {.name = "loop0", .number = "7:0", .filesystem = "xfs"},
            .daemon_pids = {100},
            .workload_pids = {200}};
}

TEST(TaskStack, TakesTheFunctionNames) {
    EXPECT_THAT(parse_task_stack("[<0>] folio_wait_writeback+0x2b/0x80\n"
                                 "[<0>] xfs_buf_lock+0x1/0x2 [xfs]\n"
                                 "[<ffffffff81234567>] shrink_node.part.0+0x12/0x34\n"
                                 "[<0>] ? guessed_frame+0x1/0x2\n"
                                 "[<ffffffffffffffff>] 0xffffffffffffffff\n"),
                ElementsAre("folio_wait_writeback", "xfs_buf_lock", "shrink_node.part.0", "guessed_frame"));
}

TEST(TaskStack, OutlivesGarbage) {
    EXPECT_THAT(parse_task_stack(""), IsEmpty());
    EXPECT_THAT(parse_task_stack("\n\n[<\n[<0>]\n[<0>] \n"), testing::SizeIs(testing::Le(2)));
    EXPECT_THAT(parse_task_stack(std::string("\0\xff+", 3)), testing::SizeIs(1));
}

TEST(KernelThreadRole, GoesByTheDeviceInTheName) {
    for (const auto* name :
         {"jbd2/loop1-8", "kworker/u8:2+flush-7:1", "kworker/u8:1-flush-7:1", "loop1", "xfsaild/loop1",
          "kworker/0:1+xfs-inodegc/loop1", "kworker/u9:0+loop1", "kworker/R-loop1"}) {
        EXPECT_EQ(role_of_kernel_thread(name, members()), "upper") << name;
    }
    for (const auto* name : {"jbd2/loop0-8", "kworker/u8:2+flush-7:0", "xfs-conv/loop0"}) {
        EXPECT_EQ(role_of_kernel_thread(name, members()), "lower") << name;
    }
    for (const auto* name : {"jbd2/loop10-8", "kworker/u8:2+flush-7:10", "kworker/u8:2+flush-17:1",
                             "kworker/7:1", "xloop1", "loop1p1", "btrfs-cleaner", "", "kswapd0"}) {
        EXPECT_EQ(role_of_kernel_thread(name, members()), "") << name;
    }
}

TEST(KernelThreadRole, EmptyMembersMatchNothing) {
    EXPECT_EQ(role_of_kernel_thread("jbd2/loop1-8", StackMembers{}), "");
    EXPECT_EQ(role_of_kernel_thread("", StackMembers{}), "");
}

TEST(KernelThreadRole, ClaimsBtrfsOnlyWhenItIsTheOnlyOne) {
    auto one = members();
    one.upper.filesystem = "btrfs";
    EXPECT_EQ(role_of_kernel_thread("btrfs-transaction", one), "upper");
    EXPECT_EQ(role_of_kernel_thread("kworker/u8:3+flush-btrfs-2", one), "upper");
    one.lower.filesystem = "btrfs";
    EXPECT_EQ(role_of_kernel_thread("btrfs-transaction", one), "");
    EXPECT_EQ(role_of_kernel_thread("kworker/u8:3+loop0", one), "lower");
}

TEST(SampleProcess, GivesEveryThread) {
    Proc proc;
    proc.task(100, 100, "refluxd", 'S', 0x400040);
    proc.task(100, 101, "io) D (0 worker", 'D', 0x580040,
              "[<0>] folio_wait_writeback+0x2b/0x80\n[<0>] b+0x1/0x2\n");
    const auto tasks = sample_process(proc.root(), 100, "daemon", true);
    ASSERT_TRUE(tasks) << tasks.error().message;
    ASSERT_EQ(tasks->size(), 2U);
    const auto& io = tasks->at(1);
    EXPECT_EQ(io.pid, 100);
    EXPECT_EQ(io.tid, 101);
    EXPECT_EQ(io.name, "io) D (0 worker");
    EXPECT_EQ(io.role, "daemon");
    EXPECT_EQ(io.state, 'D');
    EXPECT_EQ(io.flags, 0x580040U);
    EXPECT_EQ(io.cpu_ticks, 42U);
    EXPECT_EQ(io.voluntary_switches, 7U);
    EXPECT_EQ(io.involuntary_switches, 9U);
    EXPECT_THAT(io.stack, ElementsAre("folio_wait_writeback", "b"));
    EXPECT_THAT(sample_process(proc.root(), 100, "daemon", false)->at(1).stack, IsEmpty());
}

TEST(SampleProcess, WchanStandsInForAStackThatCannotBeRead) {
    Proc proc;
    proc.task(100, 100, "refluxd", 'D', 0x400040);
    std::filesystem::remove(proc.tree().path("100/task/100/stack"));
    proc.tree().file("100/task/100/wchan", "balance_dirty_pages");
    EXPECT_THAT(sample_process(proc.root(), 100, "daemon", true)->at(0).stack,
                ElementsAre("balance_dirty_pages"));
    proc.tree().file("100/task/100/wchan", "0");
    EXPECT_THAT(sample_process(proc.root(), 100, "daemon", true)->at(0).stack, IsEmpty());
}

TEST(SampleProcess, AVanishedTaskIsNoError) {
    Proc proc;
    const auto none = sample_process(proc.root(), 100, "daemon", true);
    ASSERT_TRUE(none);
    EXPECT_THAT(*none, IsEmpty());
    proc.task(100, 100, "refluxd", 'S', 0);
    std::filesystem::create_directories(proc.tree().path("100/task/101"));  // its files are gone already
    proc.tree().file("100/task/102/stat", "102 (torn");
    EXPECT_EQ(sample_process(proc.root(), 100, "daemon", true)->size(), 1U);
}

TEST(SampleBlocked, FindsTheBlockedAndTheStacksOwn) {
    Proc proc;
    proc.task(2, 2, "kthreadd", 'S', kernel_thread);
    proc.task(30, 30, "jbd2/loop1-8", 'S', kernel_thread);
    proc.task(31, 31, "kworker/u8:1-flush-7:1", 'I', kernel_thread);  // idle: it waits for nothing
    proc.task(32, 32, "kworker/u8:2+flush-7:0", 'D', kernel_thread);
    proc.task(33, 33, "jbd2/sda1-8", 'D', kernel_thread);
    proc.task(40, 40, "loop1", 'S', 0x400000);  // a program of that name
    proc.task(41, 41, "cat", 'D', 0x400000);
    proc.task(100, 100, "refluxd", 'S', 0x400040);
    proc.task(100, 101, "io", 'D', 0x400040);
    proc.task(200, 200, "writer", 'D', 0x400040);
    proc.tree().file("version", "Linux");
    const auto found = sample_blocked(proc.root(), members(), true);
    ASSERT_TRUE(found) << found.error().message;
    std::vector<std::string> seen;
    seen.reserve(found->size());
    for (const auto& task : *found) {
        seen.push_back(fmt::format("{}/{} {} {}", task.pid, task.tid, task.role, task.state));
    }
    EXPECT_THAT(seen,
                testing::UnorderedElementsAre("30/30 upper S", "32/32 lower D", "33/33 other D",
                                              "41/41 other D", "100/101 daemon D", "200/200 workload D"));
    EXPECT_THAT(found->front().stack, testing::SizeIs(1));
}

TEST(SampleStack, HasEachTaskOnce) {
    Proc proc;
    proc.task(30, 30, "jbd2/loop1-8", 'S', kernel_thread);
    proc.task(100, 100, "refluxd", 'S', 0x400040);
    proc.task(100, 101, "io", 'D', 0x400040);
    const auto snapshot = sample_stack(proc.root(), members(), false, 1.5);
    ASSERT_TRUE(snapshot) << snapshot.error().message;
    EXPECT_DOUBLE_EQ(snapshot->at_s, 1.5);
    std::vector<int> tids;
    for (const auto& task : snapshot->tasks) {
        tids.push_back(task.tid);
    }
    EXPECT_THAT(tids, ElementsAre(100, 101, 30));
}

TEST(SampleBlocked, AMissingProcIsAnError) {
    const auto found = sample_blocked("/nowhere/proc", members(), true);
    ASSERT_FALSE(found);
    EXPECT_THAT(found.error().message, testing::HasSubstr("/nowhere/proc"));
}

}  // namespace
}  // namespace reflux::observe
