// The vocabulary: stacks as /proc/PID/stack (and hung-task reports) print them on several kernels.
#include "harness/verdict/stack.h"

#include <gtest/gtest.h>

namespace reflux {
namespace {

using verdict::classify_stack;
using verdict::Region;
using verdict::Wait;

struct Known {
    std::string name;
    std::vector<std::string> stack;
    std::optional<Wait> wait;
    bool in_reclaim = false;
};

std::ostream& operator<<(std::ostream& out, const Known& known) {
    return out << known.name;
}

class Stack : public ::testing::TestWithParam<Known> {};

TEST_P(Stack, IsClassified) {
    const auto classified = classify_stack(GetParam().stack);
    EXPECT_EQ(classified.wait, GetParam().wait);
    EXPECT_EQ(classified.waits_in_reclaim(), GetParam().in_reclaim);
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, Stack,
    ::testing::ValuesIn(std::vector<Known>{
        {"Writeback5_10",
         {"wait_on_page_bit_common", "wait_on_page_bit", "wait_on_page_writeback", "shrink_page_list",
          "try_to_free_mem_cgroup_pages"},
         Wait::folio_writeback,
         true},
        {"Writeback6_18",
         {"folio_wait_bit_common", "folio_wait_writeback", "shrink_folio_list",
          "try_to_free_mem_cgroup_pages"},
         Wait::folio_writeback,
         true},
        {"WritebackHungTask",
         {"__schedule", "schedule", "io_schedule", "folio_wait_bit_common", "folio_wait_bit",
          "folio_wait_writeback", "__filemap_fdatawait_range"},
         Wait::folio_writeback,
         false},
        {"WritebackSplitByCompiler",
         {"wait_on_page_bit", "wait_on_page_writeback.part.0", "shrink_page_list", "try_to_free_pages"},
         Wait::folio_writeback,
         true},
        {"FolioBitOfUnknownKind",
         {"folio_wait_bit_common", "some_filesystem_read"},
         Wait::io_completion,
         false},
        {"FolioLock", {"folio_wait_bit_common", "__folio_lock", "truncate"}, Wait::folio_lock, false},
        {"DirtyThrottleHungTask",
         {"schedule", "schedule_timeout", "io_schedule_timeout", "balance_dirty_pages",
          "balance_dirty_pages_ratelimited"},
         Wait::dirty_throttle,
         false},
        {"ReclaimThrottle",
         {"reclaim_throttle", "shrink_node", "do_try_to_free_pages", "try_to_free_pages"},
         Wait::reclaim_throttle,
         true},
        {"CongestionWait5_10",
         {"congestion_wait", "shrink_inactive_list", "try_to_free_mem_cgroup_pages"},
         Wait::reclaim_throttle,
         true},
        {"SleepInReclaim5_10",
         {"msleep", "shrink_inactive_list", "try_to_free_mem_cgroup_pages"},
         Wait::sleep,
         true},
        {"UpperBufferInEviction",
         {"xfs_buf_lock", "xfs_buf_find", "xfs_free_eofblocks", "xfs_fs_destroy_inode", "prune_icache_sb",
          "super_cache_scan", "do_shrink_slab", "try_to_free_mem_cgroup_pages"},
         Wait::buffer,
         true},
        {"Transaction",
         {"wait_transaction_locked", "add_transaction_credits", "start_this_handle"},
         Wait::transaction,
         false},
        {"TransactionOutsideOfAnEndedReclaimFrame",
         {"jbd2_log_wait_commit", "ext4_sync_file"},
         Wait::journal_commit,
         false},
        {"FuseClient",
         {"request_wait_answer", "__fuse_simple_request", "fuse_direct_io", "worker_thread"},
         Wait::fuse_request,
         false},
        {"FuseServerIdle", {"fuse_dev_do_read", "fuse_dev_read", "vfs_read"}, Wait::idle, false},
        {"PoolIdle6_18", {"futex_do_wait", "__futex_wait", "futex_wait", "do_futex"}, Wait::idle, false},
        {"PoolIdle5_10", {"futex_wait_queue_me", "futex_wait", "do_futex"}, Wait::idle, false},
        {"SelectIdle", {"poll_schedule_timeout.constprop.0", "do_select"}, Wait::idle, false},
        {"IdleWorker", {"worker_thread", "kthread", "ret_from_fork"}, Wait::idle, false},
        {"BusyWorkerIsNotIdle",
         {"some_work", "process_one_work", "worker_thread", "kthread"},
         std::nullopt,
         false},
        {"BusyJournalIsNotIdle",
         {"__wait_on_buffer", "jbd2_journal_commit_transaction", "kjournald2"},
         Wait::buffer,
         false},
        {"UnknownInsideAKnownWaitIsUnknown",
         {"brand_new_helper", "folio_wait_writeback", "shrink_folio_list", "try_to_free_pages"},
         std::nullopt,
         false},
        {"Lock", {"schedule", "rwsem_down_write_slowpath", "down_write", "foo"}, Wait::lock, false},
        {"OnlySchedule", {"schedule"}, std::nullopt, false},
        {"Empty", {}, std::nullopt, false},
        {"NoNames", {"", ".", "..."}, std::nullopt, false},
    }),
    [](const auto& param) { return param.param.name; });

TEST(StackRegions, OutermostReclaimEntryCounts) {
    const auto classified = classify_stack({"folio_wait_writeback", "try_to_free_mem_cgroup_pages",
                                            "try_charge", "shrink_node", "try_to_free_pages", "alloc_pages"});
    EXPECT_EQ(classified.reclaim, Region::direct_reclaim);
    EXPECT_EQ(classified.reclaim_frame, 4U);
    EXPECT_EQ(classified.known, (std::vector<std::size_t>{0, 1, 4}));
}

TEST(StackRegions, AWaitOutsideOfTheReclaimIsNotInIt) {
    EXPECT_FALSE(classify_stack({"do_epoll_wait", "x"}).waits_in_reclaim());
    EXPECT_FALSE(classify_stack({"try_to_free_pages", "balance_dirty_pages"}).waits_in_reclaim());
}

TEST(Bounds, OnlyTimedWaitsAreBounded) {
    EXPECT_TRUE(verdict::is_bounded(Wait::dirty_throttle));
    EXPECT_TRUE(verdict::is_bounded(Wait::reclaim_throttle));
    EXPECT_FALSE(verdict::is_bounded(Wait::folio_writeback));
    EXPECT_FALSE(verdict::is_bounded(Wait::transaction));
    EXPECT_FALSE(verdict::is_bounded(Wait::fuse_request));
}

}  // namespace
}  // namespace reflux
