// What a run shows besides its outcome.
#include "harness/verdict/incidents.h"

#include "harness/verdict/verdict.h"
#include "tests/unit/harness/verdict/fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using evidence::Evidence;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using verdict::judge;

std::vector<std::string> sentences(const Evidence& evidence) {
    return verdict::incident_sentences(
        evidence, evidence.stall ? verdict::watch(*evidence.stall) : std::vector<verdict::Watched>{});
}

// A stall in which these tasks sat still.
Evidence stalled(const std::vector<evidence::TaskSample>& tasks) {
    Evidence evidence;
    evidence.stall =
        evidence::Stall{.detected_s = 20,
                        .last_completion_s = 10,
                        .snapshots = {{.at_s = 12, .tasks = tasks}, {.at_s = 20, .tasks = tasks}},
                        .daemon = {}};
    return evidence;
}

evidence::TaskSample task(int tid, const std::string& name, std::vector<std::string> stack) {
    return {
        .pid = tid, .tid = tid, .name = name, .role = "workload", .state = 'D', .stack = std::move(stack)};
}

// The stacks of 2014 and 2015 (seeds C and B), without their scheduler's frames.
const std::vector<std::string> stuck_commit{"congestion_wait",  "kmem_alloc", "xfs_log_commit_cil",
                                            "xfs_trans_commit", "xfs_remove", "xfs_vn_unlink"};
const std::vector<std::string> waiting_push{"xlog_cil_push", "xlog_cil_push_work", "process_one_work"};

TEST(Incidents, ACommitInAnAllocationWhileAPushWaits) {
    const auto told = sentences(stalled({task(7, "rm", stuck_commit), task(8, "kworker/0:1", waiting_push),
                                         task(9, "rm", {"xfs_log_commit_cil", "xfs_trans_commit"})}));
    ASSERT_EQ(told.size(), 1U);
    EXPECT_THAT(told[0], AllOf(HasSubstr("XFS commits a transaction in an allocation: rm[7], in reclaim"),
                               HasSubstr("kworker/0:1[8] waits for a push"), Not(HasSubstr("rm[9]"))));
}

TEST(Incidents, OfNewerKernelsToo) {
    // 6.1: the shadow buffers are allocated in front of the lock, and the pause is the allocator's own.
    const auto told = sentences(
        stalled({task(7, "w",
                      {"shrink_lruvec", "try_to_free_pages", "__alloc_pages_slowpath.constprop.0",
                       "__alloc_pages", "kvmalloc_node", "xlog_cil_commit", "__xfs_trans_commit"})}));
    ASSERT_EQ(told.size(), 1U);
    EXPECT_THAT(told[0], AllOf(HasSubstr("inside direct reclaim"), HasSubstr("no task waits for a push")));
}

TEST(Incidents, ACommitThatAllocatesNothingIsNone) {
    EXPECT_THAT(sentences(stalled({task(7, "w", {"xlog_cil_commit", "__xfs_trans_commit"}),
                                   task(8, "k", {"xlog_wait_on_iclog", "xlog_cil_push_work"})})),
                IsEmpty());
}

TEST(Incidents, AnAllocationThatIsTriedAgainIsABoundedWait) {
    const auto wait = verdict::classify_stack({"kmem_alloc", "xlog_cil_commit"}).wait;
    ASSERT_TRUE(wait);
    EXPECT_EQ(*wait, verdict::Wait::allocation_retry);
    EXPECT_TRUE(verdict::is_bounded(*wait));
    // At the lock of a push's context it waits without bound.
    EXPECT_FALSE(verdict::is_bounded(*verdict::classify_stack({"xfs_log_commit_cil"}).wait));
}

TEST(Incidents, TheKernelsOwnWarningsAreCounted) {
    Evidence evidence;
    evidence.allocation_stalls = {{"rm(7)", "kmem_alloc", "0x8250", 65624, 5, 12.5, 20},
                                  {"rm(8)", "kmem_alloc", "0x8250", 64, 2, 13, 14}};
    EXPECT_THAT(
        sentences(evidence),
        ElementsAre("the kernel warned 7 times of a possible memory allocation deadlock, most often in "
                    "kmem_alloc for 65624 bytes, mode 0x8250, of rm(7), from 12.5 s to 20.0 s"));
}

evidence::OomVictim victim(std::optional<double> gone_s) {
    return {.pid = 254,
            .name = "refluxd-io",
            .role = "daemon",
            .of_memcg = true,
            .at_s = 10,
            .anon_bytes = 1048576,
            .reaped_s = 10.002,
            .gone_s = gone_s,
            .seen_s = 30,
            .state = 'D',
            .stack = {"folio_wait_bit_common", "folio_wait_writeback", "shrink_folio_list"}};
}

TEST(Incidents, AVictimThatIsGone) {
    Evidence evidence;
    evidence.oom_victims = {victim(10.25)};
    EXPECT_THAT(
        sentences(evidence),
        ElementsAre("OOM victim refluxd-io[254] (daemon, of the memcg, 1.0 MiB anonymous, at 10.0 s): gone "
                    "after 250.0 ms at most, its memory was taken after 2.0 ms"));
}

TEST(Incidents, AVictimThatWentOnlyUnderRelief) {
    Evidence evidence;
    evidence.oom_victims = {victim(29)};
    evidence.relief = {{.rung = "wait", .begin_s = 20, .applied = true},
                       {.rung = "abort", .begin_s = 28, .applied = true}};
    EXPECT_THAT(sentences(evidence),
                ElementsAre(HasSubstr("gone after 19.0 s at most, under relief (abort)")));
}

TEST(Incidents, AVictimThatDoesNotGoIsToldByTheVerdictAndDecidesNoOutcome) {
    Evidence evidence = testing::fixture("completes");
    const auto before = judge(evidence).outcome;
    evidence.oom_victims = {victim(10.5), victim(std::nullopt)};
    const auto verdict = judge(evidence);
    EXPECT_EQ(verdict.outcome, before);
    EXPECT_THAT(verdict.reasons, Contains(AllOf(HasSubstr("NOT GONE 20.0 s after it was chosen"),
                                                HasSubstr("in folio writeback"))));
    EXPECT_THAT(verdict.reasons,
                Contains("the OOM killer chose 2 victims; 1 gone, after 500.0 ms at most, half of "
                         "them after 500.0 ms"));
    EXPECT_THAT(verdict.incidents, ::testing::SizeIs(3));
}

TEST(Incidents, LockdepAndIoCgroups) {
    Evidence evidence;
    evidence.lock_reports = {{3.5, "inconsistent lock state", "kswapd0/35", {"pcpu_alloc_mutex"}, true}};
    evidence.io_cgroups =
        evidence::IoCgroups{"v2", {"throttle", "latency"}, {"latency"}, 400, 399, 398, 1, "EIO", 2, 0.5};
    EXPECT_THAT(
        sentences(evidence),
        ElementsAre("lockdep at 3.5 s: inconsistent lock state, kswapd0/35; locks: pcpu_alloc_mutex; reclaim "
                    "is among them",
                    AllOf(HasSubstr("400 io cgroups (v2)"), HasSubstr("200 a second"),
                          HasSubstr("(this kernel has no latency)"), HasSubstr("completed in 399"),
                          HasSubstr("1 failed, first: EIO"))));
    evidence.lock_reports.clear();
    evidence.lockdep = false;
    EXPECT_THAT(sentences(evidence), Contains(HasSubstr("no lockdep")));
}

TEST(Incidents, MemoryIsToldWhereThereIsSwap) {
    Evidence evidence;
    evidence.progress = {
        {.at_s = 1, .swap_free_bytes = 1048576},
        {.at_s = 2, .memory_free_bytes = 2097152, .slab_reclaimable_bytes = 3145728, .swap_free_bytes = 0}};
    EXPECT_THAT(sentences(evidence),
                ElementsAre("the machine at 2.0 s: 2.0 MiB free, 0.0 MiB of swap free, 3.0 MiB in "
                            "reclaimable slabs"));
    evidence.progress.back().swap_free_bytes.reset();
    EXPECT_THAT(sentences(evidence), IsEmpty());
}

TEST(Status, OfAScenarioThatWasNotReproduced) {
    Evidence evidence = testing::fixture("completes");
    evidence.expected = {
        .outcome = {"completes"}, .recursion = {}, .status = "not reproduced", .tried = {"a", "b"}};
    auto verdict = judge(evidence);
    EXPECT_TRUE(verdict.met);
    EXPECT_THAT(verdict.reasons, Contains("not reproduced so far, nor in this run; tried: a; b"));
    // The hang after all: it differs, and says so.
    evidence.expected.outcome = {"slow"};
    verdict = judge(evidence);
    EXPECT_FALSE(verdict.met);
    EXPECT_THAT(verdict.reasons, Contains(HasSubstr("its file says \"not reproduced\"")));
}

}  // namespace
}  // namespace reflux
