// The search in hand-made graphs: what closes, and what has a way out.
#include "harness/verdict/wait_cycle.h"

#include <initializer_list>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using verdict::closed_waits;
using verdict::NodeKind;
using verdict::WaitEdge;
using verdict::WaitNode;

// "d…" are daemon threads, everything else is not.
std::vector<WaitNode> nodes(std::initializer_list<const char*> labels) {
    std::vector<WaitNode> made;
    for (const std::string label : labels) {
        made.push_back(
            {.kind = NodeKind::task, .label = label, .note = "", .daemon = label.starts_with("d")});
    }
    return made;
}

WaitEdge known(std::size_t from, std::size_t to) {
    return {.from = from, .to = to, .what = "", .fact = ""};
}

WaitEdge open(std::size_t from, std::size_t to) {
    return {.from = from, .to = to, .known = false, .what = "", .fact = ""};
}

TEST(WaitCycle, NothingClosesInAnEmptyGraph) {
    EXPECT_THAT(closed_waits({}, {}).edges, IsEmpty());
    EXPECT_THAT(closed_waits(nodes({"d"}), {}).cycle, IsEmpty());
}

TEST(WaitCycle, AChainIsNone) {
    const auto closed = closed_waits(nodes({"d", "upper", "connection"}), {known(0, 1), known(1, 2)});
    EXPECT_THAT(closed.edges, IsEmpty());
    EXPECT_THAT(closed.cycle, IsEmpty());
}

TEST(WaitCycle, BeginsAtTheDaemonAndGoesRound) {
    const auto closed =
        closed_waits(nodes({"upper", "connection", "d"}), {known(1, 2), known(2, 0), known(0, 1)});
    EXPECT_THAT(closed.cycle, ElementsAre(1, 2, 0));
    EXPECT_THAT(closed.edges, ElementsAre(0, 1, 2));
}

TEST(WaitCycle, AThreadThatWaitsForItselfIsOne) {
    EXPECT_THAT(closed_waits(nodes({"d"}), {known(0, 0)}).cycle, ElementsAre(0));
}

TEST(WaitCycle, OneThatDoesNotPassThroughTheDaemonIsNotClaimed) {
    const auto closed =
        closed_waits(nodes({"d", "writer", "journal"}), {known(0, 1), known(1, 2), known(2, 1)});
    EXPECT_THAT(closed.edges, IsEmpty());
    EXPECT_THAT(closed.cycle, IsEmpty());
}

TEST(WaitCycle, AnOpenEdgeIsNoPartOfIt) {
    EXPECT_THAT(closed_waits(nodes({"d", "upper"}), {known(0, 1), open(1, 0)}).cycle, IsEmpty());
}

TEST(WaitCycle, AnOpenEdgeOutOfItIsAWayOut) {
    const auto cycle = std::vector{known(0, 1), known(1, 0)};
    ASSERT_THAT(closed_waits(nodes({"d", "connection", "?"}), cycle).cycle, ElementsAre(0, 1));
    auto with_way_out = cycle;
    with_way_out.push_back(open(1, 2));
    EXPECT_THAT(closed_waits(nodes({"d", "connection", "?"}), with_way_out).cycle, IsEmpty());
}

TEST(WaitCycle, AKnownEdgeOutOfItIsAWayOutToo) {
    EXPECT_THAT(closed_waits(nodes({"d", "connection", "d2"}), {known(0, 1), known(1, 0), known(1, 2)}).cycle,
                IsEmpty());
}

TEST(WaitCycle, WhoWaitsForItFromOutsideChangesNothing) {
    const auto closed = closed_waits(nodes({"d", "connection", "writer"}),
                                     {known(0, 1), known(1, 0), known(2, 1), open(2, 2)});
    EXPECT_THAT(closed.cycle, ElementsAre(0, 1));
    EXPECT_THAT(closed.edges, ElementsAre(0, 1));
}

TEST(WaitCycle, OfTwoThatMeetTheShorterIsShownAndBothAreClosed) {
    // d -> upper -> connection -> d, and upper -> worker -> connection beside it.
    const auto closed = closed_waits(nodes({"d", "upper", "worker", "connection"}),
                                     {known(1, 2), known(2, 3), known(0, 1), known(1, 3), known(3, 0)});
    EXPECT_THAT(closed.cycle, ElementsAre(2, 3, 4));
    EXPECT_THAT(closed.edges, ElementsAre(0, 1, 2, 3, 4));
}

TEST(WaitCycle, OfTwoApartOnlyTheOneWithoutAWayOutIsClosed) {
    const auto graph = nodes({"d1", "upper1", "d2", "upper2", "?"});
    const auto closed = closed_waits(graph, {known(0, 1), known(1, 0), known(2, 3), known(3, 2), open(1, 4)});
    EXPECT_THAT(closed.cycle, ElementsAre(2, 3));
    EXPECT_THAT(closed.edges, ElementsAre(2, 3));
}

TEST(WaitCycle, FindsItAmongManyNodes) {
    constexpr std::size_t count = 2000;
    std::vector<WaitNode> many(count);
    many[0].daemon = true;
    std::vector<WaitEdge> edges;
    for (std::size_t i = 0; i < count; ++i) {
        edges.push_back(known(i, (i + 1) % count));
    }
    EXPECT_EQ(closed_waits(many, edges).edges.size(), count);
}

}  // namespace
}  // namespace reflux
