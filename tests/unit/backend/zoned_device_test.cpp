#include "backend/zoned_device.h"

#include "tests/support/temporary_folder.h"
#include "tests/unit/backend/device_requests.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

namespace reflux {
namespace {

using test::run;
constexpr std::uint64_t zone_size = 64 << 10;

void format(const std::string& path) {
    const auto geometry =
        ZonedGeometry::make({.size = {16 * zone_size}, .zone_size = {zone_size}, .conventional = 2}).value();
    ASSERT_TRUE(format_image(path, geometry, false));
}

class ZonedDeviceTest : public testing::TestWithParam<std::string> {
  protected:
    void SetUp() override { ASSERT_NO_FATAL_FAILURE(format(path_)); }

    [[nodiscard]] std::unique_ptr<ZonedDevice> open() const {
        auto device = ZonedDevice::open(path_, {.engine = GetParam(), .threads = 3});
        EXPECT_TRUE(device) << device.error().message;
        return device ? std::move(*device) : nullptr;
    }
    static ZoneDescriptor zone(const ZonedDevice& device, std::uint64_t id) {
        std::array<ZoneDescriptor, 1> out;
        EXPECT_EQ(device.report({id}, out), 1U);
        return out[0];
    }

    test::TemporaryFolder folder_;
    std::string path_ = folder_ / "image";
    std::vector<std::byte> data_ = std::vector<std::byte>(8192, std::byte{0x77});
};
INSTANTIATE_TEST_SUITE_P(Engines, ZonedDeviceTest, testing::Values("sync", "threads", "uring"));

TEST_P(ZonedDeviceTest, ErrorsOfItsIoAreCountedByTheirErrno) {
    const auto device = open();
    ASSERT_TRUE(device);
    EXPECT_NE(run(*device, DeviceOperation::write, 16 * zone_size, data_), 0) << "beyond its end";
    EXPECT_EQ(run(*device, DeviceOperation::write, 0, data_), 0);
    EXPECT_TRUE(device->io_errors().empty()) << "the disk refuses, its I/O is well";
    ASSERT_TRUE(device->faults().set("error", {"error=ENOMEM", "count=2"}));
    EXPECT_EQ(run(*device, DeviceOperation::read, 0, data_), ENOMEM);
    EXPECT_EQ(run(*device, DeviceOperation::write, 0, data_), ENOMEM);
    EXPECT_EQ(run(*device, DeviceOperation::read, 0, data_), 0);
    ASSERT_TRUE(device->faults().set("error", {"error=EIO", "count=1", "torn"}));
    EXPECT_EQ(run(*device, DeviceOperation::write, 0, data_), EIO);
    device->drain();
    const auto errors = device->io_errors();
    ASSERT_EQ(errors.size(), 2U);
    EXPECT_EQ(errors[0].name, "EIO");
    EXPECT_EQ(errors[0].count, 1U);
    EXPECT_EQ(errors[1].name, "ENOMEM");
    EXPECT_EQ(errors[1].count, 2U);
}

TEST_P(ZonedDeviceTest, AWriteUnderWayInAZoneThatWearsFails) {
    const auto device = open();
    ASSERT_TRUE(device);
    ASSERT_EQ(run(*device, DeviceOperation::write, 3 * zone_size, data_), 0);
    for (const auto& [where, to] : {std::pair(3 * zone_size + 8192, ZoneCondition::read_only),
                                    std::pair(4 * zone_size, ZoneCondition::offline),
                                    std::pair(std::uint64_t{0}, ZoneCondition::read_only)}) {
        ASSERT_TRUE(device->faults().set("delay", {"time=600s", "operations=write"}));
        test::WaitedRequest write(DeviceOperation::write, where, data_);
        const std::jthread writer([&] { device->submit(write); });
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (device->faults().state().at(0).requests == 0 && std::chrono::steady_clock::now() < end) {
            std::this_thread::yield();
        }
        EXPECT_EQ(device->degrade({where / zone_size}, to), ZoneError::none);
        ASSERT_TRUE(device->faults().clear("delay"));
        EXPECT_EQ(write.wait(), EIO) << "no write pointer tells of it";
        EXPECT_EQ(write.refusal, to == ZoneCondition::offline ? ZoneError::offline : ZoneError::read_only);
    }
    device->drain();
    EXPECT_EQ(zone(*device, 3).write_pointer, Bytes{3 * zone_size + 8192});
    EXPECT_TRUE(device->io_errors().empty()) << "the disk's own doing";
}

TEST_P(ZonedDeviceTest, DataAndZonesSurviveACleanEnd) {
    {
        const auto device = open();
        ASSERT_TRUE(device);
        EXPECT_EQ(run(*device, DeviceOperation::write, 0, data_), 0);
        EXPECT_EQ(run(*device, DeviceOperation::write, 5 * zone_size + 4096, data_), 0);
        EXPECT_EQ(zone(*device, 5).condition, ZoneCondition::implicit_open);
        EXPECT_EQ(run(*device, DeviceOperation::flush, 0), 0);
        EXPECT_TRUE(device->close());
    }
    const auto device = open();
    ASSERT_TRUE(device);
    EXPECT_FALSE(device->image_was_unclean());
    std::vector<std::byte> read(data_.size());
    EXPECT_EQ(run(*device, DeviceOperation::read, 5 * zone_size + 4096, read), 0);
    EXPECT_EQ(read, data_);
    EXPECT_EQ(zone(*device, 5).condition, ZoneCondition::closed);
    EXPECT_EQ(zone(*device, 5).write_pointer, Bytes{5 * zone_size + 4096 + 8192});
    EXPECT_EQ(device->zone_summary().count(ZoneCondition::empty), 13U);
}

TEST_P(ZonedDeviceTest, WhatWasFlushedSurvivesACrash) {
    {
        const auto device = open();
        ASSERT_TRUE(device);
        EXPECT_EQ(run(*device, DeviceOperation::write, 3 * zone_size, data_), 0);
        EXPECT_EQ(run(*device, DeviceOperation::flush, 0), 0);
        EXPECT_EQ(run(*device, DeviceOperation::write, 4 * zone_size, data_), 0);
    }  // no close
    const auto device = open();
    ASSERT_TRUE(device);
    EXPECT_TRUE(device->image_was_unclean());
    EXPECT_EQ(zone(*device, 3).write_pointer, Bytes{3 * zone_size + 8192}) << "flushed";
    EXPECT_EQ(zone(*device, 4).write_pointer, Bytes{4 * zone_size}) << "behind the data: it was not flushed";
    std::vector<std::byte> read(data_.size());
    EXPECT_EQ(run(*device, DeviceOperation::read, 4 * zone_size, read), 0);
    EXPECT_EQ(read, data_) << "the data itself was acknowledged";
}

TEST_P(ZonedDeviceTest, RefusedRequestsDoNoIoAndAreCounted) {
    const auto device = open();
    ASSERT_TRUE(device);
    EXPECT_EQ(run(*device, DeviceOperation::write, 16 * zone_size - 4096, data_), ENOSPC);
    EXPECT_EQ(run(*device, DeviceOperation::read, 16 * zone_size, data_), ENOSPC);
    EXPECT_EQ(run(*device, DeviceOperation::read, 0, std::span(data_).first(4096)), 0);
    const auto counters = device->counters();
    EXPECT_EQ(counters.errors, 2U);
    EXPECT_EQ(counters.completed, 3U);
    EXPECT_EQ(counters.reads, 2U);
    EXPECT_EQ(counters.read_bytes, 4096U);
    EXPECT_EQ(counters.writes, 1U);
    EXPECT_EQ(counters.written_bytes, 0U);
    EXPECT_TRUE(device->in_flight().empty());
}

TEST_P(ZonedDeviceTest, DiscardsReadAsZeroesAndChangeNoZone) {
    const auto device = open();
    ASSERT_TRUE(device);
    ASSERT_EQ(run(*device, DeviceOperation::write, 2 * zone_size - 4096, data_), 0);  // in two zones
    const auto before = zone(*device, 2);
    EXPECT_EQ(test::discard(*device, 2 * zone_size - 3000, 5000), 0);
    std::vector<std::byte> is(data_.size());
    ASSERT_EQ(run(*device, DeviceOperation::read, 2 * zone_size - 4096, is), 0);
    std::vector<std::byte> wanted = data_;
    std::fill_n(wanted.begin() + 1096, 5000, std::byte{});
    EXPECT_TRUE(is == wanted);
    EXPECT_EQ(zone(*device, 2), before);
    EXPECT_EQ(test::discard(*device, 0, 0), 0);
    EXPECT_EQ(test::discard(*device, 16 * zone_size - 4096, 8192), ENOSPC);
    EXPECT_EQ(device->degrade({2}, ZoneCondition::read_only), ZoneError::none);
    EXPECT_EQ(test::discard(*device, 2 * zone_size, 4096), EIO);
    EXPECT_EQ(device->counters().discards, 4U);
    EXPECT_EQ(device->counters().errors, 2U);
    EXPECT_EQ(device->counters().writes, 1U);
}

// With the next flush, like a write.
TEST_P(ZonedDeviceTest, WornZonesStayWornOnceFlushed) {
    {
        const auto device = open();
        ASSERT_TRUE(device);
        ASSERT_EQ(run(*device, DeviceOperation::write, 3 * zone_size, data_), 0);
        EXPECT_EQ(device->degrade({0}, ZoneCondition::offline), ZoneError::none);
        EXPECT_EQ(device->degrade({3}, ZoneCondition::read_only), ZoneError::none);
        EXPECT_EQ(device->recommend_reset({4}), ZoneError::none);
        EXPECT_EQ(run(*device, DeviceOperation::flush, 0), 0);
        EXPECT_EQ(device->degrade({5}, ZoneCondition::read_only), ZoneError::none);
    }  // as after kill -9
    const auto device = open();
    ASSERT_TRUE(device);
    EXPECT_EQ(zone(*device, 0).condition, ZoneCondition::offline);
    EXPECT_EQ(zone(*device, 3).condition, ZoneCondition::read_only);
    EXPECT_EQ(zone(*device, 3).write_pointer.value, 3 * zone_size + data_.size());
    EXPECT_TRUE(zone(*device, 4).reset_recommended);
    EXPECT_EQ(zone(*device, 5).condition, ZoneCondition::empty);
    EXPECT_EQ(run(*device, DeviceOperation::read, 3 * zone_size, data_), 0);
    EXPECT_EQ(run(*device, DeviceOperation::read, 0, data_), EIO);
    EXPECT_EQ(run(*device, DeviceOperation::write, 3 * zone_size, data_), EIO);
    EXPECT_EQ(run(*device, DeviceOperation::reset_zone, 3 * zone_size), EIO);
    EXPECT_EQ(run(*device, DeviceOperation::reset_zone, 4 * zone_size), 0);
    EXPECT_FALSE(zone(*device, 4).reset_recommended);
    EXPECT_EQ(device->degrade({0}, ZoneCondition::read_only), ZoneError::offline) << "no way back";
    EXPECT_EQ(device->degrade({16}, ZoneCondition::read_only), ZoneError::out_of_range);
    EXPECT_EQ(device->recommend_reset({1}), ZoneError::invalid_field) << "conventional";
}

TEST_P(ZonedDeviceTest, AnswersWhileRequestsComeFromManyThreads) {
    const auto device = open();
    ASSERT_TRUE(device);
    // As many submitters as may have a request in flight.
    const std::size_t submitters = std::min<std::size_t>(device->max_in_flight(), 3);
    std::atomic<int> failures = 0;
    std::atomic<std::size_t> running = submitters;
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < submitters; ++t) {
        threads.emplace_back([&, t] {
            std::vector<std::byte> block(4096, static_cast<std::byte>(t));
            for (std::uint64_t i = 0; i < 100; ++i) {
                failures +=
                    run(*device, DeviceOperation::write, (2 + t) * zone_size + (i % 16) * 4096, block);
                failures += i % 10 == 0 ? run(*device, DeviceOperation::flush, 0) : 0;
            }
            --running;
        });
    }
    while (running > 0) {
        EXPECT_LE(device->in_flight().size(), submitters);
        EXPECT_EQ(zone(*device, 0).type, ZoneType::conventional);
    }
    threads.clear();
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(device->counters().flushes, 10 * submitters);
    EXPECT_EQ(device->zone_summary().count(ZoneCondition::full), submitters);
    device->drain();
    EXPECT_TRUE(device->close());
}

TEST(ZonedDevice, AnUnknownEngineLeavesTheImageClean) {
    const test::TemporaryFolder folder;
    const std::string path = folder / "image";
    ASSERT_NO_FATAL_FAILURE(format(path));
    EXPECT_FALSE(ZonedDevice::open(path, {.engine = "quantum"}));
    const auto device = ZonedDevice::open(path, {});
    ASSERT_TRUE(device);
    EXPECT_FALSE((*device)->image_was_unclean());
}

}  // namespace
}  // namespace reflux
