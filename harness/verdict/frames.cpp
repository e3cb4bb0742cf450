#include "harness/verdict/frames.h"

#include <algorithm>
#include <array>

namespace reflux::verdict {
namespace {

constexpr Frame helper(std::string_view function) {
    return {.function = function, .wait = std::nullopt, .region = std::nullopt, .generic = true};
}
// A helper that says something already, unless the next frame says it better.
constexpr Frame helper(std::string_view function, Wait wait) {
    return {.function = function, .wait = wait, .region = std::nullopt, .generic = true};
}
constexpr Frame row(std::string_view function, Wait wait) {
    return {.function = function, .wait = wait, .region = std::nullopt, .generic = false};
}
constexpr Frame row(std::string_view function, Region region) {
    return {.function = function, .wait = std::nullopt, .region = region, .generic = false};
}

// A row a line, however many there are.
// clang-format off
constexpr auto table = std::to_array<Frame>({
    // The scheduler and its helpers (only in stacks that did not come from /proc/PID/stack).
    helper("__schedule"),
    helper("schedule"),
    helper("schedule_preempt_disabled"),
    helper("schedule_timeout"),
    helper("schedule_timeout_uninterruptible"),
    helper("schedule_timeout_killable"),
    helper("schedule_hrtimeout_range"),
    helper("wait_woken"),
    helper("schedule_hrtimeout_range_clock"),
    helper("io_schedule", Wait::io_completion),
    helper("io_schedule_timeout"),
    helper("blk_io_schedule", Wait::io_completion),  // 5.10-
    helper("bit_wait_io", Wait::io_completion),
    helper("bit_wait"),
    helper("__wait_on_bit"),
    helper("out_of_line_wait_on_bit"),
    helper("wait_for_completion"),
    helper("wait_for_completion_io", Wait::io_completion),
    helper("wait_for_completion_io_timeout", Wait::io_completion),
    helper("__wait_for_common"),
    helper("wait_for_common"),
    helper("wait_for_common_io", Wait::io_completion),
    helper("flush_workqueue"),    // -5.18
    helper("__flush_workqueue"),  // 5.19-
    helper("__flush_work"),
    helper("flush_work"),
    helper("__mutex_lock", Wait::lock),
    helper("__mutex_lock_slowpath", Wait::lock),
    helper("mutex_lock", Wait::lock),
    helper("down", Wait::lock),
    helper("__down", Wait::lock),
    helper("__down_common", Wait::lock),
    helper("___down_common", Wait::lock),
    helper("down_read", Wait::lock),
    helper("down_write", Wait::lock),
    helper("rwsem_down_read_slowpath", Wait::lock),
    helper("rwsem_down_write_slowpath", Wait::lock),
    helper("__percpu_down_read", Wait::lock),
    helper("percpu_rwsem_wait", Wait::lock),
    helper("percpu_down_write", Wait::lock),
    helper("xfs_ilock", Wait::lock),
    helper("xfs_ilock_iocb", Wait::lock),
    helper("xfs_ilock_iocb_for_write", Wait::lock),
    helper("btrfs_inode_lock", Wait::lock),

    // A bit of a folio (page): which bit it is, the caller says.
    helper("folio_wait_bit_common", Wait::io_completion),    // 5.16-
    helper("folio_wait_bit", Wait::io_completion),           // 5.16-
    helper("wait_on_page_bit_common", Wait::io_completion),  // -5.15
    helper("__wait_on_page_bit_common", Wait::io_completion),
    helper("wait_on_page_bit", Wait::io_completion),  // -5.15
    helper("folio_wait_bit_killable", Wait::io_completion),
    row("folio_wait_writeback", Wait::folio_writeback),  // 5.15-
    row("folio_wait_writeback_killable", Wait::folio_writeback),
    row("folio_wait_stable", Wait::folio_writeback),
    row("wait_on_page_writeback", Wait::folio_writeback),  // -5.15, then a wrapper
    row("wait_for_stable_page", Wait::folio_writeback),
    row("fuse_wait_on_page_writeback", Wait::folio_writeback),  // -6.15
    row("fuse_wait_on_folio_writeback", Wait::folio_writeback),
    row("f2fs_wait_on_page_writeback", Wait::folio_writeback),
    row("f2fs_folio_wait_writeback", Wait::folio_writeback),
    row("__filemap_fdatawait_range", Wait::folio_writeback),
    row("__folio_lock", Wait::folio_lock),
    row("__folio_lock_killable", Wait::folio_lock),
    row("__lock_page", Wait::folio_lock),
    row("__lock_page_killable", Wait::folio_lock),
    row("migration_entry_wait_on_locked", Wait::folio_lock),

    // Pauses that end by time.
    row("balance_dirty_pages", Wait::dirty_throttle),
    row("reclaim_throttle", Wait::reclaim_throttle),    // 5.16-
    row("congestion_wait", Wait::reclaim_throttle),     // -5.15
    row("wait_iff_congested", Wait::reclaim_throttle),  // -5.15
    row("mem_cgroup_handle_over_high", Wait::reclaim_throttle),
    row("__mem_cgroup_handle_over_high", Wait::reclaim_throttle),
    // Between two tries of an allocation that may not fail: congestion_wait() before 5.17.
    row("kmem_alloc", Wait::allocation_retry),           // -6.8
    row("xfs_buf_alloc_pages", Wait::allocation_retry),  // 5.14-6.15
    row("__alloc_pages_slowpath", Wait::allocation_retry),
    row("__alloc_pages_may_oom", Wait::allocation_retry),
    row("out_of_memory", Wait::allocation_retry),
    row("blkcg_maybe_throttle_current", Wait::sleep),
    row("msleep", Wait::sleep),
    row("msleep_interruptible", Wait::sleep),
    row("usleep_range", Wait::sleep),
    row("usleep_range_state", Wait::sleep),
    row("do_nanosleep", Wait::sleep),
    row("hrtimer_nanosleep", Wait::sleep),

    row("mem_cgroup_oom", Wait::memcg_oom),
    row("mem_cgroup_oom_synchronize", Wait::memcg_oom),

    // Journals, logs and transactions.
    row("jbd2_log_wait_commit", Wait::journal_commit),
    row("jbd2_complete_transaction", Wait::journal_commit),
    row("jbd2_journal_wait_updates", Wait::journal_commit),
    row("jbd2_journal_commit_transaction", Wait::journal_commit),
    row("__jbd2_log_wait_for_space", Wait::transaction),
    row("wait_transaction_locked", Wait::transaction),
    row("wait_transaction_switching", Wait::transaction),
    row("add_transaction_credits", Wait::transaction),
    row("start_this_handle", Wait::transaction),
    row("do_get_write_access", Wait::buffer),
    row("xlog_wait_on_iclog", Wait::journal_commit),
    row("xlog_wait_on_iclog_lsn", Wait::journal_commit),
    row("xlog_force_lsn", Wait::journal_commit),
    row("__xfs_log_force_lsn", Wait::journal_commit),  // 5.10
    row("xfs_log_force", Wait::journal_commit),
    row("xfs_log_force_lsn", Wait::journal_commit),  // 5.10
    row("xfs_log_force_seq", Wait::journal_commit),
    row("xlog_cil_push_now", Wait::journal_commit),
    // At xc_ctx_lock, or in xlog_wait(): a commit for the push, a push for the commits that are under way.
    row("xfs_log_commit_cil", Wait::journal_commit),        // -5.13
    row("xlog_cil_commit", Wait::journal_commit),           // 5.14-
    row("xlog_cil_push_background", Wait::journal_commit),
    row("xlog_cil_push_work", Wait::journal_commit),
    row("xlog_cil_order_write", Wait::journal_commit),      // 5.19-
    row("xlog_cil_force_lsn", Wait::journal_commit),  // 5.10
    row("xlog_cil_force_seq", Wait::journal_commit),
    row("xlog_state_get_iclog_space", Wait::journal_commit),
    row("xlog_grant_head_wait", Wait::transaction),
    row("xlog_grant_head_check", Wait::transaction),
    row("xfs_log_reserve", Wait::transaction),
    row("btrfs_commit_transaction", Wait::journal_commit),
    row("wait_for_commit", Wait::journal_commit),
    row("wait_current_trans", Wait::transaction),
    row("__reserve_bytes", Wait::transaction),
    row("handle_reserve_ticket", Wait::transaction),
    row("f2fs_balance_fs", Wait::transaction),
    row("f2fs_issue_checkpoint", Wait::journal_commit),

    // Buffers and inodes.
    row("__wait_on_buffer", Wait::buffer),
    row("__lock_buffer", Wait::buffer),
    row("__ext4_find_entry", Wait::buffer),  // calls __wait_on_buffer, whose own frame a tail call removes
    row("xfs_buf_lock", Wait::buffer),
    row("xfs_buf_iowait", Wait::buffer),
    row("xfs_buf_wait_unpin", Wait::buffer),
    row("btrfs_tree_read_lock_nested", Wait::buffer),
    row("btrfs_tree_lock_nested", Wait::buffer),
    row("__btrfs_tree_lock", Wait::buffer),
    row("inode_wait_for_writeback", Wait::inode),
    row("__inode_wait_for_writeback", Wait::inode),
    row("__wait_on_freeing_inode", Wait::inode),
    row("find_inode_fast", Wait::inode),
    row("wb_wait_for_completion", Wait::inode),
    row("wb_completion_wait", Wait::inode),
    row("sync_inodes_sb", Wait::inode),
    row("wait_sb_inodes", Wait::inode),
    row("xfs_iunpin_wait", Wait::inode),
    row("__xfs_iunpin_wait", Wait::inode),
    row("xfs_inodegc_flush", Wait::inode),
    row("btrfs_start_ordered_extent", Wait::inode),
    row("btrfs_start_ordered_extent_nowriteback", Wait::inode),
    row("btrfs_wait_ordered_extents", Wait::inode),

    // Block layer.
    row("blk_mq_get_tag", Wait::block_request),
    row("rq_qos_wait", Wait::block_request),
    row("wbt_wait", Wait::block_request),
    row("submit_bio_wait", Wait::io_completion),
    row("blk_execute_rq", Wait::io_completion),
    row("blkdev_issue_flush", Wait::io_completion),
    row("__iomap_dio_rw", Wait::io_completion),
    row("blk_mq_freeze_queue_wait", Wait::freeze),
    row("blk_queue_enter", Wait::freeze),
    row("__bio_queue_enter", Wait::freeze),
    row("freeze_super", Wait::freeze),

    // FUSE clients.
    row("request_wait_answer", Wait::fuse_request),
    row("__fuse_request_send", Wait::fuse_request),
    row("fuse_get_req", Wait::fuse_request),
    row("fuse_set_nowrite", Wait::fuse_request),

    // Waits for work.
    row("fuse_dev_do_read", Wait::idle),
    row("ep_poll", Wait::idle),
    row("do_epoll_wait", Wait::idle),
    helper("poll_schedule_timeout", Wait::idle),
    row("do_poll", Wait::idle),
    row("do_sys_poll", Wait::idle),
    row("do_select", Wait::idle),
    row("futex_do_wait", Wait::idle),  // 6.15-
    row("futex_wait_queue", Wait::idle),
    row("futex_wait_queue_me", Wait::idle),  // -5.15
    row("__futex_wait", Wait::idle),
    row("futex_wait", Wait::idle),
    row("do_futex", Wait::idle),
    row("io_cqring_wait", Wait::idle),
    row("io_wq_worker", Wait::idle),
    row("io_wqe_worker", Wait::idle),
    row("do_sigtimedwait", Wait::idle),
    row("sigsuspend", Wait::idle),
    row("do_wait", Wait::idle),
    row("pipe_read", Wait::idle),
    row("anon_pipe_read", Wait::idle),
    row("signalfd_read_iter", Wait::idle),
    row("signalfd_read", Wait::idle),
    row("eventfd_read", Wait::idle),
    row("timerfd_read_iter", Wait::idle),
    row("inet_csk_accept", Wait::idle),
    row("inotify_read", Wait::idle),
    row("__skb_wait_for_more_packets", Wait::idle),
    row("unix_stream_read_generic", Wait::idle),
    row("worker_thread", Wait::idle),
    row("rescuer_thread", Wait::idle),
    row("kthread_worker_fn", Wait::idle),
    row("loop_kthread_worker_fn", Wait::idle),  // -5.13
    row("kjournald2", Wait::idle),
    row("xfsaild", Wait::idle),
    row("transaction_kthread", Wait::idle),
    row("cleaner_kthread", Wait::idle),
    row("kswapd", Wait::idle),
    row("kswapd_try_to_sleep", Wait::idle),

    // What a part of a stack is about.
    row("try_to_free_mem_cgroup_pages", Region::memcg_reclaim),
    row("try_to_free_pages", Region::direct_reclaim),
    row("__alloc_pages_direct_reclaim", Region::direct_reclaim),
    row("__perform_reclaim", Region::direct_reclaim),
    row("node_reclaim", Region::direct_reclaim),
    row("shrink_slab", Region::shrinker),
    row("shrink_slab_memcg", Region::shrinker),
    row("do_shrink_slab", Region::shrinker),
    row("super_cache_scan", Region::shrinker),
    row("prune_icache_sb", Region::eviction),
    row("prune_dcache_sb", Region::eviction),
    row("evict", Region::eviction),
    row("xfs_fs_destroy_inode", Region::eviction),
    row("ext4_evict_inode", Region::eviction),
    row("btrfs_evict_inode", Region::eviction),
    row("f2fs_evict_inode", Region::eviction),
    row("try_to_compact_pages", Region::compaction),
    row("__alloc_pages_direct_compact", Region::compaction),
    row("compact_zone", Region::compaction),
    row("ext4_da_write_begin", Region::write_path),
    row("ext4_write_begin", Region::write_path),
    row("ext4_buffered_write_iter", Region::write_path),
    row("generic_perform_write", Region::write_path),
    row("iomap_file_buffered_write", Region::write_path),
    row("xfs_file_buffered_write", Region::write_path),
    row("xfs_file_buffered_aio_write", Region::write_path),  // 5.10
    row("btrfs_buffered_write", Region::write_path),
    row("f2fs_write_begin", Region::write_path),
    row("fuse_file_write_iter", Region::write_path),
    row("loop_process_work", Region::loop_worker),  // 5.14-
    row("loop_workfn", Region::loop_worker),
    row("loop_queue_work", Region::loop_worker),  // -5.13
});
// clang-format on

}  // namespace

std::string_view to_string(Wait wait) {
    switch (wait) {
        case Wait::folio_writeback:
            return "folio writeback";
        case Wait::folio_lock:
            return "a folio lock";
        case Wait::dirty_throttle:
            return "dirty throttling";
        case Wait::reclaim_throttle:
            return "reclaim throttling";
        case Wait::memcg_oom:
            return "the memcg's OOM handling";
        case Wait::journal_commit:
            return "a journal or log commit";
        case Wait::transaction:
            return "a transaction";
        case Wait::buffer:
            return "a metadata buffer";
        case Wait::inode:
            return "an inode";
        case Wait::block_request:
            return "a block request slot";
        case Wait::io_completion:
            return "I/O completion";
        case Wait::fuse_request:
            return "a FUSE server's answer";
        case Wait::lock:
            return "a lock";
        case Wait::freeze:
            return "a frozen filesystem or queue";
        case Wait::allocation_retry:
            return "an allocation's next try";
        case Wait::sleep:
            return "a timed sleep";
        case Wait::idle:
            return "work to arrive";
    }
    return "an unknown wait";
}

std::string_view to_string(Region region) {
    switch (region) {
        case Region::memcg_reclaim:
            return "memcg reclaim";
        case Region::direct_reclaim:
            return "direct reclaim";
        case Region::shrinker:
            return "slab shrinker";
        case Region::eviction:
            return "eviction of inodes or dentries";
        case Region::compaction:
            return "compaction";
        case Region::write_path:
            return "filesystem write";
        case Region::loop_worker:
            return "loop device's worker";
    }
    return "unknown";
}

bool is_bounded(Wait wait) {
    return wait == Wait::dirty_throttle || wait == Wait::reclaim_throttle || wait == Wait::allocation_retry ||
           wait == Wait::sleep;
}

bool is_filesystem_wait(Wait wait) {
    switch (wait) {
        case Wait::folio_writeback:
        case Wait::folio_lock:
        case Wait::journal_commit:
        case Wait::transaction:
        case Wait::buffer:
        case Wait::inode:
        case Wait::block_request:
        case Wait::io_completion:
            return true;
        default:
            return false;
    }
}

bool ends_by_io(const Frame& frame) {
    constexpr auto of_buffers =
        std::to_array<std::string_view>({"__wait_on_buffer", "__ext4_find_entry", "xfs_buf_iowait"});
    if (!frame.wait || frame.generic) {
        return false;
    }
    switch (*frame.wait) {
        case Wait::folio_writeback:
        case Wait::block_request:
        case Wait::io_completion:
            return true;
        case Wait::buffer:
            return std::ranges::find(of_buffers, frame.function) != of_buffers.end();
        default:
            return false;
    }
}

const Frame* find_frame(std::string_view function) {
    const std::string_view bare = function.substr(0, function.find('.'));
    const auto* const found = std::ranges::find(table, bare, &Frame::function);
    return found == table.end() ? nullptr : found;
}

}  // namespace reflux::verdict
