#include "backend/translated_device.h"

#include "tests/support/temporary_folder.h"
#include "tests/unit/backend/device_requests.h"

#include <algorithm>
#include <random>
#include <thread>

#include <gtest/gtest.h>

namespace reflux {
namespace {

constexpr std::uint64_t zone_size = 64 << 10;

using test::run;

class TranslatedDeviceTest : public testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        const auto geometry = ZonedGeometry::make({.size = {48 * zone_size},
                                                   .zone_size = {zone_size},
                                                   .conventional = 8,
                                                   .model = ZoneModel::host_managed})
                                  .value();
        ASSERT_TRUE(format_image(path_, geometry, false, true));
        ASSERT_NO_FATAL_FAILURE(open());
    }
    void open() {
        device_ = *ZonedDevice::open(path_, {.engine = GetParam(), .threads = 3});
        ASSERT_TRUE(device_->is_translated());
        auto made = TranslatedDevice::start(*device_);
        ASSERT_TRUE(made) << made.error().message;
        disk_ = std::move(*made);
    }
    void close() {
        EXPECT_TRUE(disk_->close());
        disk_.reset();
        EXPECT_TRUE(device_->close());
        device_.reset();
    }

    test::TemporaryFolder folder_;
    std::string path_ = folder_ / "image";
    std::unique_ptr<ZonedDevice> device_;
    std::unique_ptr<TranslatedDevice> disk_;
};
INSTANTIATE_TEST_SUITE_P(Engines, TranslatedDeviceTest, testing::Values("sync", "threads", "uring"));

TEST_P(TranslatedDeviceTest, TakesWritesAnywhereAndKeepsThem) {
    EXPECT_EQ(disk_->size().value, (48 - 8 - 2) * zone_size);
    std::vector<std::byte> data(5000, std::byte{0x77});
    const std::uint64_t last = disk_->size().value - data.size();
    EXPECT_EQ(run(*disk_, DeviceOperation::write, last, data), 0);
    EXPECT_EQ(run(*disk_, DeviceOperation::write, 3 * zone_size - 700, data), 0);
    EXPECT_EQ(run(*disk_, DeviceOperation::write, last + 4096, data), ENOSPC);
    EXPECT_EQ(run(*disk_, DeviceOperation::reset_zone, 0, {}), errno_of(ZoneError::invalid_field));
    close();
    ASSERT_NO_FATAL_FAILURE(open());
    EXPECT_FALSE(device_->image_was_unclean());
    std::vector<std::byte> is(data.size() + 1000);
    EXPECT_EQ(run(*disk_, DeviceOperation::read, 3 * zone_size - 1200, is), 0);
    std::vector<std::byte> wanted(is.size());
    std::ranges::copy(data, wanted.begin() + 500);
    EXPECT_EQ(is, wanted);
    is.resize(data.size());
    EXPECT_EQ(run(*disk_, DeviceOperation::read, last, is), 0);
    EXPECT_EQ(is, data);
    EXPECT_EQ(disk_->counters().reads, 2U);
    EXPECT_EQ(disk_->counters().read_bytes, 2 * data.size() + 1000);
    close();
}

// What one of several clients writes to its own part of the disk and reads again.
void work_on(Disk& disk, std::uint64_t first, std::uint64_t length, std::uint64_t seed, int steps) {
    std::mt19937_64 random(seed);
    std::vector<std::byte> expected(length);
    std::vector<std::byte> buffer(length);
    const auto below = [&](std::uint64_t end) { return random() % end; };
    for (int i = 0; i < steps; ++i) {
        const std::uint64_t at = below(length / 512) * 512;
        const std::uint64_t size = std::min((1 + below(40)) * 512, length - at);
        const auto part = std::span(buffer).first(size);
        const auto here = std::span(expected).subspan(at, size);
        if (const auto what = below(6); what == 0) {
            ASSERT_EQ(test::discard(disk, first + at, size), 0);
            std::ranges::fill(here, std::byte{});
        } else if (what < 4) {
            std::ranges::generate(part, [&] { return static_cast<std::byte>(random()); });
            std::ranges::copy(part, here.begin());
            ASSERT_EQ(run(disk, DeviceOperation::write, first + at, part), 0);
        } else {
            ASSERT_EQ(run(disk, DeviceOperation::read, first + at, part), 0);
            ASSERT_TRUE(std::ranges::equal(part, here)) << "at " << first + at;
        }
        if (below(40) == 0) {
            ASSERT_EQ(run(disk, DeviceOperation::flush, 0, {}), 0);
        }
    }
    ASSERT_EQ(run(disk, DeviceOperation::read, first, buffer), 0);
    ASSERT_TRUE(buffer == expected);
}

TEST_P(TranslatedDeviceTest, ManyAtOnceWhileReclaimGoesOn) {
    // Parts that share chunks at their borders, on many more chunks than there are random zones.
    const std::size_t clients = disk_->is_inline() ? 1 : 4;
    const int steps = clients == 1 ? 120 : 50;
    const std::uint64_t part = disk_->size().value / clients / 512 * 512;
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < clients; ++i) {
            threads.emplace_back([&, i] { work_on(*disk_, i * part, part, i + 1, steps); });
        }
    }
    const auto status = disk_->status();
    EXPECT_GT(status.reclaim.chunks, 0U);
    EXPECT_GT(status.reclaim.zones_reset, 0U);
    EXPECT_EQ(status.reclaim.errors, 0U);
    EXPECT_EQ(device_->counters().errors, 0U) << "the zones' rules were kept";
    EXPECT_TRUE(disk_->in_flight().empty());
    close();
}

}  // namespace
}  // namespace reflux
