#include "backend/in_flight_table.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

namespace reflux {
namespace {

TEST(InFlightTable, ShowsWhatIsInFlightOldestFirst) {
    InFlightTable table(3);
    const auto first = table.begin(DeviceOperation::write, 4096, 512);
    const auto second = table.begin(DeviceOperation::flush, 0, 0);
    table.claim(second, 42);
    table.end(first);
    const auto third = table.begin(DeviceOperation::read, 8192, 1024);
    EXPECT_EQ(third, first) << "the slot is used again";
    const auto shown = table.snapshot();
    ASSERT_EQ(shown.size(), 2U);
    EXPECT_EQ(shown[0].id, 2U);
    EXPECT_EQ(shown[0].operation, DeviceOperation::flush);
    EXPECT_EQ(shown[0].tid, 42);
    EXPECT_EQ(shown[1].id, 3U);
    EXPECT_EQ(shown[1].offset, 8192U);
    EXPECT_EQ(shown[1].length, 1024U);
    EXPECT_EQ(shown[1].tid, 0) << "queued, and the claim of the slot's last user is gone";
    EXPECT_LE(shown[0].start_ns, shown[1].start_ns);
}

TEST(InFlightTable, AReaderNeverSeesHalfARequest) {
    InFlightTable table(2);
    std::atomic<bool> stop = false;
    const auto churn = [&] {
        // Every request satisfies length == offset + 1 and operation == offset % 3.
        for (std::uint64_t i = 1; !stop; ++i) {
            const auto slot = table.begin(static_cast<DeviceOperation>(i % 3), i, i + 1);
            table.claim(slot, 7);
            table.end(slot);
        }
    };
    std::uint64_t seen = 0;
    {
        const std::jthread one(churn);
        const std::jthread other(churn);
        for (int i = 0; i < 20000 || seen == 0; ++i) {
            for (const auto& request : table.snapshot()) {
                ++seen;
                ASSERT_EQ(request.length, request.offset + 1);
                ASSERT_EQ(static_cast<std::uint64_t>(request.operation), request.offset % 3);
            }
        }
        stop = true;
    }
    EXPECT_TRUE(table.snapshot().empty());
}

TEST(InFlightTableDeathTest, MoreRequestsThanSlotsBreakTheContract) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            InFlightTable table(1);
            table.begin(DeviceOperation::read, 0, 1);
            table.begin(DeviceOperation::read, 0, 1);
        },
        "");
}

}  // namespace
}  // namespace reflux
