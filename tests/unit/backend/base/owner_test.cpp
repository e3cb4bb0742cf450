#include "backend/base/owner.h"

#include "backend/base/scope_exit.h"

#include <vector>

#include <gtest/gtest.h>

namespace reflux {
namespace {

std::vector<int>& released() {
    static std::vector<int> handles;
    return handles;
}

struct RecordingTraits {
    using Handle = int;
    static constexpr Handle none() noexcept { return -1; }
    static void release(Handle handle) noexcept { released().push_back(handle); }
};
using Recorded = Owner<RecordingTraits>;

class OwnerTest : public testing::Test {
  protected:
    OwnerTest() { released().clear(); }
};

TEST_F(OwnerTest, ReleasesOnceAtTheEndOfItsScope) {
    { const Recorded owner(7); }
    EXPECT_EQ(released(), std::vector<int>{7});
}

TEST_F(OwnerTest, MoveLeavesNothingBehind) {
    {
        Recorded first(1);
        const Recorded second(std::move(first));
        EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): the moved-from state is the question
        EXPECT_EQ(second.get(), 1);
    }
    EXPECT_EQ(released(), std::vector<int>{1});
}

TEST_F(OwnerTest, MoveAssignmentReleasesWhatItHeld) {
    {
        Recorded target(1);
        target = Recorded(2);
        EXPECT_EQ(released(), std::vector<int>{1});
        EXPECT_EQ(target.get(), 2);
    }
    EXPECT_EQ(released(), (std::vector<int>{1, 2}));
}

TEST_F(OwnerTest, GivenUpIsNotReleased) {
    Recorded owner(3);
    EXPECT_EQ(owner.give_up(), 3);
    owner.reset();
    EXPECT_TRUE(released().empty());
}

TEST(ScopeExit, RunsAtTheEndOfItsScope) {
    bool ran = false;
    {
        const ScopeExit exit([&] { ran = true; });
        EXPECT_FALSE(ran);
    }
    EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace reflux
