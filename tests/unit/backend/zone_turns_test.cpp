#include "backend/zone_turns.h"

#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ZoneTurnsTest : public testing::Test {
  protected:
    static ZoneTurn turn(std::uint64_t first, std::uint64_t last, bool exclusive) {
        ZoneTurn made;
        made.first = {first};
        made.last = {last};
        made.exclusive = exclusive;
        return made;
    }
    std::vector<ZoneTurn*> after_leaving(ZoneTurn& leaving) {
        turns_.leave(leaving);
        std::vector<ZoneTurn*> ready;
        while (ZoneTurn* next = turns_.take_ready()) {
            ready.push_back(next);
        }
        return ready;
    }

    ZoneTurns turns_;
};

TEST_F(ZoneTurnsTest, SharedOnesGoTogether) {
    auto one = turn(1, 3, false);
    auto other = turn(2, 2, false);
    EXPECT_TRUE(turns_.enter(one));
    EXPECT_TRUE(turns_.enter(other));
    EXPECT_THAT(after_leaving(one), IsEmpty());
    EXPECT_THAT(after_leaving(other), IsEmpty());
}

TEST_F(ZoneTurnsTest, ExclusiveOnesOfAZoneGoInTheOrderInWhichTheyCame) {
    auto first = turn(5, 5, true);
    auto second = turn(5, 5, true);
    auto third = turn(5, 5, true);
    auto elsewhere = turn(6, 6, true);
    EXPECT_TRUE(turns_.enter(first));
    EXPECT_FALSE(turns_.enter(second));
    EXPECT_FALSE(turns_.enter(third));
    EXPECT_TRUE(turns_.enter(elsewhere));
    EXPECT_THAT(after_leaving(first), ElementsAre(&second));
    EXPECT_THAT(after_leaving(elsewhere), IsEmpty());
    EXPECT_THAT(after_leaving(second), ElementsAre(&third));
    EXPECT_THAT(after_leaving(third), IsEmpty());
}

TEST_F(ZoneTurnsTest, AnExclusiveOneWaitsForSharedOnesAndHoldsBackLaterOnes) {
    auto write = turn(1, 2, false);
    auto other_write = turn(2, 3, false);
    auto reset = turn(2, 2, true);
    auto later_write = turn(2, 2, false);
    auto unconcerned = turn(3, 3, false);
    EXPECT_TRUE(turns_.enter(write));
    EXPECT_TRUE(turns_.enter(other_write));
    EXPECT_FALSE(turns_.enter(reset));
    EXPECT_FALSE(turns_.enter(later_write)) << "or a reset would wait for ever";
    EXPECT_TRUE(turns_.enter(unconcerned));
    EXPECT_THAT(after_leaving(write), IsEmpty());
    EXPECT_THAT(after_leaving(other_write), ElementsAre(&reset));
    EXPECT_THAT(after_leaving(reset), ElementsAre(&later_write));
}

TEST_F(ZoneTurnsTest, SeveralMayGoWhenOneLeaves) {
    auto all = turn(0, 9, true);
    auto low = turn(1, 1, true);
    auto high = turn(8, 8, false);
    auto low_again = turn(1, 1, true);
    EXPECT_TRUE(turns_.enter(all));
    EXPECT_FALSE(turns_.enter(low));
    EXPECT_FALSE(turns_.enter(high));
    EXPECT_FALSE(turns_.enter(low_again));
    EXPECT_THAT(after_leaving(all), ElementsAre(&low, &high));
    EXPECT_THAT(after_leaving(high), IsEmpty());
    EXPECT_THAT(after_leaving(low), ElementsAre(&low_again));
}

// Whatever comes and goes: no two that exclude each other are under way together, all that excluded each
// other went in the order in which they came, and in the end nobody waits.
TEST_F(ZoneTurnsTest, AnyOrderOfComingAndGoing) {
    std::mt19937_64 random(7);
    std::vector<ZoneTurn> all;
    all.reserve(20000);
    std::vector<std::size_t> going;
    std::vector<std::size_t> waiting;
    const auto exclude = [&](std::size_t left, std::size_t right) {
        return (all[left].exclusive || all[right].exclusive) && all[left].first <= all[right].last &&
               all[right].first <= all[left].last;
    };
    const auto goes = [&](std::size_t id) {
        for (const auto other : going) {
            ASSERT_FALSE(exclude(id, other)) << id << " and " << other;
        }
        for (const auto other : waiting) {
            ASSERT_FALSE(other < id && exclude(id, other)) << id << " overtook " << other;
        }
        going.push_back(id);
    };
    const auto leave_one = [&] {
        const std::size_t at = random() % going.size();
        ZoneTurn& leaving = all[going[at]];
        going.erase(going.begin() + static_cast<std::ptrdiff_t>(at));
        for (const ZoneTurn* next : after_leaving(leaving)) {
            const auto id = static_cast<std::size_t>(next - all.data());
            ASSERT_EQ(std::erase(waiting, id), 1U);
            ASSERT_NO_FATAL_FAILURE(goes(id));
        }
    };
    while (all.size() < all.capacity()) {
        if (going.size() + waiting.size() < 12 && random() % 2 == 0) {
            const std::uint64_t first = random() % 6;
            all.push_back(turn(first, first + random() % 2, random() % 3 != 0));
            const std::size_t id = all.size() - 1;
            if (turns_.enter(all.back())) {
                ASSERT_NO_FATAL_FAILURE(goes(id));
            } else {
                waiting.push_back(id);
            }
        } else if (!going.empty()) {
            ASSERT_NO_FATAL_FAILURE(leave_one());
        }
    }
    while (!going.empty()) {
        ASSERT_NO_FATAL_FAILURE(leave_one());
    }
    EXPECT_THAT(waiting, IsEmpty());
}

}  // namespace
}  // namespace reflux
