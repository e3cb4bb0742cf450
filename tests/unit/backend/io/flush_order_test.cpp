#include "backend/io/flush_order.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

namespace reflux::io {
namespace {

TEST(FlushOrder, AFlushWithoutWritesGoesAtOnce) {
    FlushOrder order(2);
    EXPECT_FALSE(order.next());
    order.take_flush(7);
    EXPECT_EQ(order.next(), 7U);
    EXPECT_FALSE(order.next());
}

TEST(FlushOrder, AFlushWaitsForTheWritesBeforeItAndNoOthers) {
    FlushOrder order(4);
    const auto before = order.take_write();
    order.take_flush(1);
    const auto after = order.take_write();
    order.take_flush(2);
    EXPECT_FALSE(order.next());
    order.write_done(after);
    EXPECT_FALSE(order.next()) << "the first one still waits";
    order.write_done(before);
    EXPECT_EQ(order.next(), 1U);
    EXPECT_EQ(order.next(), 2U);
    EXPECT_FALSE(order.next());
}

// Against the plain statement: a flush that goes finds every write that was taken before it done.
TEST(FlushOrder, HoldsForAnyOrderOfEvents) {
    constexpr std::size_t most = 5;
    constexpr unsigned seed = 11;
    std::mt19937 random(seed);
    FlushOrder order(most);
    struct Write {
        std::size_t number;  // in the order in which requests were taken
        std::uint64_t generation;
    };
    std::vector<Write> writes;
    std::set<std::size_t> flushes;
    std::size_t next_number = 0;
    std::size_t gone = 0;
    for (int step = 0; step < 100000; ++step) {
        const bool room = writes.size() + flushes.size() < most;
        const auto dice = random() % 4;
        if (dice < 2 && room) {
            writes.push_back({.number = next_number++, .generation = order.take_write()});
        } else if (dice == 2 && room) {
            flushes.insert(next_number);
            order.take_flush(next_number++);
        } else if (!writes.empty()) {
            const auto one = writes.begin() + static_cast<std::ptrdiff_t>(random() % writes.size());
            order.write_done(one->generation);
            writes.erase(one);
        }
        while (const auto flush = order.next()) {
            ASSERT_EQ(flushes.erase(*flush), 1U);
            for (const Write& write : writes) {
                ASSERT_GT(write.number, *flush) << "step " << step << " of seed " << seed;
            }
            ++gone;
        }
        // None is held back for longer than it must.
        if (!flushes.empty()) {
            ASSERT_TRUE(std::any_of(writes.begin(), writes.end(),
                                    [&](const Write& write) { return write.number < *flushes.begin(); }))
                << "step " << step << " of seed " << seed;
        }
    }
    EXPECT_GT(gone, 10000U);
}

}  // namespace
}  // namespace reflux::io
