// Who waits beside the daemon, and what stays unknown.
#include "harness/verdict/wait_graph.h"

#include "tests/unit/harness/verdict/fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using evidence::Evidence;
using evidence::TaskSample;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using verdict::NodeKind;
using verdict::wait_graph;
using verdict::WaitGraph;
using verdict::waiting_lines;

// The fixture with one more task, in D in every snapshot.
Evidence with_task(std::string role, std::vector<std::string> stack, int tid = 6000) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    for (auto& snapshot : evidence.stall->snapshots) {
        TaskSample task;
        task.pid = task.tid = tid;
        task.name = "probe";
        task.role = role;
        task.state = 'D';
        task.stack = stack;
        snapshot.tasks.push_back(task);
    }
    return evidence;
}

std::vector<std::string> lines_with(std::string role, std::vector<std::string> stack) {
    return waiting_lines(wait_graph(with_task(std::move(role), std::move(stack))));
}

TEST(WaitGraph, WithoutAStallIsEmpty) {
    const WaitGraph graph = wait_graph(testing::fixture("completes"));
    EXPECT_THAT(graph.nodes, IsEmpty());
    EXPECT_THAT(graph.edges, IsEmpty());
    EXPECT_THAT(waiting_lines(graph), IsEmpty());
}

TEST(WaitGraph, ShowsEachTaskOfTheStackWithWhatItWaitsFor) {
    const auto lines = waiting_lines(wait_graph(testing::fixture("deadlock-v1-writeback")));
    EXPECT_THAT(lines, Contains(StartsWith("kworker/u4:3+loop1[4302] -> connection 58: ")));
    EXPECT_THAT(
        lines,
        Contains(StartsWith("jbd2/loop1-8[4301] -> upper device 7:1: waits for I/O of a metadata buffer")));
    EXPECT_THAT(lines, Contains(StartsWith("reflux-workload[4250] -> journal of ext4 on 7:1: ")));
    EXPECT_THAT(lines, Contains(StartsWith("journal of ext4 on 7:1 -> jbd2/loop1-8[4301]: ")));
}

TEST(WaitGraph, HasTheRecordedJournalThreadAsUnknownForNoFrameTells) {
    const auto lines =
        waiting_lines(wait_graph(testing::fixture("recorded-6.18-v1-fuse-ext4-wait-begins-late")));
    EXPECT_THAT(lines, Contains(StartsWith("jbd2/loop1-8[335] -> ?: in jbd2_journal_commit_transaction")));
    EXPECT_THAT(lines, Contains(StartsWith("kworker/u8:4+flush-7:1[32137] -> upper device 7:1: ")));
    EXPECT_THAT(lines, Contains(StartsWith("kworker/u8:1+loop1[27292] -> connection 40: ")));
}

TEST(WaitGraph, NamesTheInnermostFrameThatItDoesNotKnow) {
    EXPECT_THAT(lines_with("upper", {"some_new_function", "folio_wait_writeback"}),
                Contains("probe[6000] -> ?: unknown: innermost frame some_new_function"));
    EXPECT_THAT(lines_with("upper", {}), Contains("probe[6000] -> ?: unknown: its stack could not be read"));
}

TEST(WaitGraph, DoesNotGuessWhatAHelperWaitsFor) {
    EXPECT_THAT(
        lines_with("workload", {"folio_wait_bit_common", "filemap_get_pages"}),
        Contains(StartsWith("probe[6000] -> ?: in folio_wait_bit_common, called by filemap_get_pages")));
}

TEST(WaitGraph, DoesNotGuessTheFilesystemOfAForeignTask) {
    EXPECT_THAT(
        lines_with("other", {"jbd2_log_wait_commit", "ext4_sync_file"}),
        Contains(AllOf(StartsWith("probe[6000] -> ?: "), HasSubstr("of which filesystem is not known"))));
}

TEST(WaitGraph, DoesNotGuessTheDeviceOfAFolioThatReclaimMet) {
    EXPECT_THAT(
        lines_with("workload", {"folio_wait_writeback", "shrink_folio_list", "try_to_free_mem_cgroup_pages"}),
        Contains(AllOf(StartsWith("probe[6000] -> ?: "), HasSubstr("of which device is not known"))));
}

TEST(WaitGraph, DoesNotGuessTheHolderOfALock) {
    EXPECT_THAT(lines_with("workload", {"rwsem_down_write_slowpath", "vfs_unlink"}),
                Contains(StartsWith("probe[6000] -> ?: ")));
    EXPECT_THAT(lines_with("workload", {"xfs_buf_lock", "xfs_buf_find"}),
                Contains(AllOf(StartsWith("probe[6000] -> ?: "), HasSubstr("who holds it is not known"))));
}

TEST(WaitGraph, ShowsAPauseAsOne) {
    EXPECT_THAT(
        lines_with("workload", {"balance_dirty_pages", "generic_perform_write"}),
        Contains(AllOf(StartsWith("probe[6000] -> dirty throttling: "), HasSubstr("which ends by time"))));
}

TEST(WaitGraph, ALoopWorkerOfAnotherDeviceDoesNotWaitForTheConnection) {
    EXPECT_THAT(
        lines_with("other", {"request_wait_answer", "fuse_direct_io", "loop_process_work"}),
        Contains(AllOf(StartsWith("probe[6000] -> ?: "), HasSubstr("of which connection is not known"))));
}

TEST(WaitGraph, TasksThatWaitAlikeAreOneNode) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    for (auto& snapshot : evidence.stall->snapshots) {
        const auto writer = *std::ranges::find(snapshot.tasks, "workload", &TaskSample::role);
        for (int i = 0; i < 100; ++i) {
            snapshot.tasks.push_back(writer);
            snapshot.tasks.back().tid = 7000 + i;
        }
    }
    EXPECT_THAT(
        waiting_lines(wait_graph(evidence)),
        Contains(StartsWith("101 x reflux-workload[4250 7000 7001 7002 ...] -> journal of ext4 on 7:1: ")));
}

TEST(WaitGraph, StaysSmall) {
    Evidence evidence = testing::fixture("deadlock-v1-writeback");
    for (auto& snapshot : evidence.stall->snapshots) {
        auto writer = *std::ranges::find(snapshot.tasks, "workload", &TaskSample::role);
        for (int i = 0; i < 100; ++i) {
            writer.tid = 7000 + i;
            writer.name = "writer" + std::to_string(i);
            snapshot.tasks.push_back(writer);
        }
    }
    const WaitGraph graph = wait_graph(evidence);
    EXPECT_LT(graph.nodes.size(), 60U);
    EXPECT_EQ(graph.left_out, 63U);  // of 100 and the fixture's own three
}

// Whoever else waits, and for whatever: the cycle of the daemon stands.
TEST(WaitGraph, OthersNeitherCloseNorOpenTheCycle) {
    const auto cycle = cycle_lines(wait_graph(testing::fixture("deadlock-v1-writeback")));
    ASSERT_EQ(cycle.size(), 4U);
    for (const std::string role : {"upper", "workload", "lower", "other"}) {
        for (const std::string function :
             {"folio_wait_writeback", "jbd2_log_wait_commit", "request_wait_answer", "balance_dirty_pages",
              "down_read", "some_new_function", "xfs_buf_lock", "fuse_dev_do_read"}) {
            EXPECT_EQ(cycle_lines(wait_graph(with_task(role, {function, "loop_process_work"}))), cycle);
            EXPECT_EQ(cycle_lines(wait_graph(with_task(role, {function}))), cycle);
        }
    }
}

class GraphOf : public ::testing::TestWithParam<std::string> {};

TEST_P(GraphOf, EveryEdgeIsBetweenNodesAndSaysWhy) {
    const WaitGraph graph = wait_graph(testing::fixture(GetParam()));
    for (const auto& edge : graph.edges) {
        ASSERT_LT(edge.from, graph.nodes.size());
        ASSERT_LT(edge.to, graph.nodes.size());
        EXPECT_FALSE(edge.what.empty());
        EXPECT_FALSE(edge.fact.empty());
        // What is not known is never drawn as known.
        EXPECT_FALSE(edge.known && graph.nodes[edge.to].kind == NodeKind::unknown);
        EXPECT_NE(graph.nodes[edge.from].kind, NodeKind::unknown);
    }
    for (const std::size_t index : graph.closed) {
        EXPECT_TRUE(graph.edges.at(index).known);
    }
    for (std::size_t i = 0; i < graph.cycle.size(); ++i) {
        EXPECT_EQ(graph.edges.at(graph.cycle[i]).to,
                  graph.edges.at(graph.cycle[(i + 1) % graph.cycle.size()]).from);
    }
    EXPECT_THAT(waiting_lines(graph), Each(Not(HasSubstr("\n"))));
}

INSTANTIATE_TEST_SUITE_P(All, GraphOf, ::testing::ValuesIn(testing::fixture_names()),
                         testing::fixture_case_name);

}  // namespace
}  // namespace reflux
