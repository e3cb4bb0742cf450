// The private trace instance on the real kernel.
#include "harness/observe/progress.h"
#include "tests/integration/support/observe_fixture.h"

#include <algorithm>
#include <array>

#include <poll.h>
#include <sys/stat.h>

namespace reflux::observe {
namespace {

TEST_F(Observe, TraceShowsTheReclaimsOfAWriterUnderALimit) {
    ASSERT_NO_FATAL_FAILURE(mount_tracefs());
    ASSERT_NO_FATAL_FAILURE(make_filesystem());
    ASSERT_NO_FATAL_FAILURE(make_cgroup(64U << 20U));
    if (IsSkipped()) {
        return;
    }
    ASSERT_NO_FATAL_FAILURE(start_writer(300));
    const int tid = child_.pid;
    auto trace = TraceInstance::create(tracefs_, name_, 4096);
    ASSERT_TRUE(trace) << trace.error().message;
    const double start = monotonic_s();
    trace->set_run_start(start);
    trace->set_devices({.upper = number_, .lower = {}, .upper_alias = {}, .lower_alias = {}});
    ASSERT_TRUE(trace->keep_text(folder_ / "trace.txt", 64U << 10U));
    EXPECT_FALSE(trace->start({}, true));  // would trace the machine
    ASSERT_TRUE(trace->start({tid}, true));
    EXPECT_EQ(trimmed(read_file(tracefs_ + "/events/enable").value_or("")),
              "0");                  // outside the instance: nothing
    EXPECT_EQ(*trace->drain(), 0U);  // and it does not wait

    const auto before = block_counters("/sys", number_);
    go();
    ASSERT_TRUE(comes_true([&] {
        EXPECT_TRUE(trace->drain());
        return ::poll(std::array<pollfd, 1>{{{child_.pidfd.get(), POLLIN, 0}}}.data(), 1, 0) == 1;
    }));
    const double end = monotonic_s() - start;
    const auto after = block_counters("/sys", number_);
    ASSERT_TRUE(before && after);
    EXPECT_GT(after->completed, before->completed);
    EXPECT_TRUE(memory_usage(cgroup_));
    EXPECT_TRUE(memory_pressure(cgroup_, "/proc"));
    end_child();

    ASSERT_TRUE(trace->stop(Seconds(20)));
    EXPECT_EQ(trimmed(read_file(trace->directory() + "/events/enable").value_or("")), "0");
    while (trace->drain().value_or(0) > 0) {
    }
    const auto summary = trace->summary();
    ASSERT_TRUE(trace->close());
    remove_instance();

    EXPECT_TRUE(summary.available);
    EXPECT_THAT(summary.events, testing::Contains("vmscan/mm_vmscan_memcg_reclaim_begin"));
    EXPECT_GT(summary.reclaim_count, 0U);
    ASSERT_FALSE(summary.reclaims.empty());
    const bool sleeps_traced =
        summary.weaker.empty() || !std::ranges::any_of(summary.weaker, [](const auto& it) {
            return it.find("sleep") != std::string::npos;
        });
    for (const auto& reclaim : summary.reclaims) {
        EXPECT_EQ(reclaim.order, 0);
        EXPECT_TRUE(reclaim.gfp_bits) << reclaim.gfp_flags;
        EXPECT_TRUE(reclaim.gfp_fs);
        EXPECT_EQ(reclaim.wait_count > 0, !reclaim.waits.empty());
        for (const auto& wait : reclaim.waits) {
            EXPECT_GE(wait.begin_s, reclaim.begin_s);
            EXPECT_TRUE(!sleeps_traced || !wait.stack.empty());
        }
        EXPECT_EQ(reclaim.tid, tid);
        EXPECT_EQ(reclaim.kind, "memcg");
        EXPECT_THAT(reclaim.gfp_flags, HasSubstr("GFP_"));
        EXPECT_GE(reclaim.begin_s, 0);
        EXPECT_LE(reclaim.begin_s, end);
    }
    const auto text = read_file(folder_ / "trace.txt").value_or("");
    EXPECT_THAT(text, HasSubstr(fmt::format("-{} ", tid)));
    EXPECT_LE(text.size(), (128U << 10U) + 100);
    RecordProperty("reclaims", std::to_string(summary.reclaim_count));
    RecordProperty("upper_events", std::to_string(summary.upper_event_count));
    RecordProperty("lost", std::to_string(summary.lost_events));
}

// What happens with every request costs nothing before there is a reclaim to look into.
TEST_F(Observe, TheTraceIsQuietUntilSomebodyEntersReclaim) {
    ASSERT_NO_FATAL_FAILURE(mount_tracefs());
    ASSERT_NO_FATAL_FAILURE(make_filesystem());
    if (IsSkipped()) {
        return;
    }
    ASSERT_NO_FATAL_FAILURE(start_writer(8));
    auto trace = TraceInstance::create(tracefs_, name_, 4096);
    ASSERT_TRUE(trace) << trace.error().message;
    trace->set_devices({});
    ASSERT_TRUE(trace->start({child_.pid}, false));
    const auto scanned = [] {
        const auto text = read_file("/proc/vmstat").value_or("");
        std::string found;
        for (const auto& line : lines_of(text)) {
            found += line.starts_with("pgscan_direct ") || line.starts_with("allocstall") ? line : "";
        }
        return found;
    };
    const auto before = scanned();
    go();
    ASSERT_TRUE(comes_true([&] {
        return ::poll(std::array<pollfd, 1>{{{child_.pidfd.get(), POLLIN, 0}}}.data(), 1, 0) == 1;
    }));
    end_child();
    const auto drained = trace->drain();
    const bool reclaimed = scanned() != before;
    ASSERT_TRUE(trace->stop(Seconds(20)));
    const auto summary = trace->summary();
    ASSERT_TRUE(trace->close());
    remove_instance();
    EXPECT_THAT(summary.events, testing::Contains("sched/sched_switch"));
    EXPECT_THAT(summary.events, testing::Contains("jbd2/jbd2_handle_start"));
    if (reclaimed) {
        GTEST_SKIP() << "this machine is short of memory: something entered reclaim meanwhile";
    }
    EXPECT_EQ(drained.value_or(1), 0U);
}

TEST_F(Observe, LostEventsAreCounted) {
    ASSERT_NO_FATAL_FAILURE(mount_tracefs());
    ASSERT_NO_FATAL_FAILURE(make_filesystem());
    ASSERT_NO_FATAL_FAILURE(make_cgroup(32U << 20U));
    if (IsSkipped()) {
        return;
    }
    ASSERT_NO_FATAL_FAILURE(start_writer(400));
    auto trace = TraceInstance::create(tracefs_, name_, 4);  // a page or two
    ASSERT_TRUE(trace) << trace.error().message;
    ASSERT_TRUE(trace->start({child_.pid}, false));
    go();
    end_child();
    ASSERT_TRUE(trace->drain());
    EXPECT_GT(trace->summary().lost_events, 0U);
}

TEST_F(Observe, WhatIsLeftInTheBuffersCountsAsLost) {
    ASSERT_NO_FATAL_FAILURE(mount_tracefs());
    ASSERT_NO_FATAL_FAILURE(make_filesystem());
    ASSERT_NO_FATAL_FAILURE(make_cgroup(32U << 20U));
    if (IsSkipped()) {
        return;
    }
    ASSERT_NO_FATAL_FAILURE(start_writer(60));
    auto trace = TraceInstance::create(tracefs_, name_, 8192);
    ASSERT_TRUE(trace) << trace.error().message;
    ASSERT_TRUE(trace->start({child_.pid}, false));
    go();
    end_child();
    EXPECT_GT(trace->summary().lost_events, 0U);
    while (trace->drain().value_or(0) > 0) {
    }
    EXPECT_EQ(trace->summary().lost_events, 0U);
}

// Each write of the daemon starts handles of the lower journal, which would be most of the trace.
TEST_F(Observe, JournalHandlesAreThoseOfTheUpperDevice) {
    ASSERT_NO_FATAL_FAILURE(mount_tracefs());
    ASSERT_NO_FATAL_FAILURE(make_filesystem());  // jbd2 has its events with its first mount
    if (IsSkipped()) {
        return;
    }
    auto trace = TraceInstance::create(tracefs_, name_, 64);
    ASSERT_TRUE(trace) << trace.error().message;
    trace->set_devices({.upper = "7:3", .lower = "7:2"});
    ASSERT_TRUE(trace->start({::getpid()}, false));
    const auto filter = read_file(trace->directory() + "/events/jbd2/jbd2_handle_start/filter");
    ASSERT_TRUE(filter) << filter.error().message;
    EXPECT_EQ(trimmed(*filter), fmt::format("dev == {}", 7U << 20U | 3U));
}

// A kernel that does not let go of the switch: in its place a pipe, the opening of which waits for a reader.
// In a child, because what the trace leaves open there is closed with it.
TEST_F(Observe, AStopThatHangsIsGivenUp) {
    ASSERT_NO_FATAL_FAILURE(mount_tracefs());
    if (IsSkipped()) {
        return;
    }
    const auto pipe = folder_ / "pipe";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    const auto held = call_bounded("the trace that hangs", Seconds(20), [&]() -> Status {
        REFLUX_TRY(auto trace, TraceInstance::create(tracefs_, name_, 64));
        REFLUX_CHECK(trace.start({::getpid()}, false));
        const auto place = trace.directory() + "/events/enable";
        if (::mount(pipe.c_str(), place.c_str(), nullptr, MS_BIND, nullptr) != 0) {
            return fail_errno("mount over " + place);
        }
        const ScopeExit unmount([&] { ::umount2(place.c_str(), MNT_DETACH); });
        const double begin = monotonic_s();
        const auto stopped = trace.stop(Seconds(0.3));
        const double took = monotonic_s() - begin;
        if (stopped || stopped.error().kind != ErrorKind::timed_out || took > 5) {
            return fail(ErrorKind::system, fmt::format("stop() took {} s: {}", took,
                                                       stopped ? "done" : stopped.error().message));
        }
        REFLUX_TRY(const auto drained, trace.drain());
        REFLUX_CHECK(trace.close());
        return drained == 0 ? Status{} : fail(ErrorKind::system, "it reads a pipe that may block");
    });
    EXPECT_TRUE(held) << held.error().message;
}

}  // namespace
}  // namespace reflux::observe
