// Zones that outlive the daemon: a device that is dropped without close() is one whose process was killed.
#include "backend/zone_memory.h"

#include "backend/base/kernel_file.h"
#include "backend/zoned_device.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/backend/device_requests.h"

#include <algorithm>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using Op = DeviceOperation;
using test::run;

constexpr std::uint64_t zone_size = 64 << 10;

class ZoneMemoryTest : public testing::Test {
  protected:
    void SetUp() override {
        if (!std::filesystem::exists("/dev/shm")) {
            GTEST_SKIP() << "no memory filesystem at /dev/shm";
        }
        format(ZoneModel::host_managed);
    }

    void format(ZoneModel model) {
        const auto geometry =
            ZonedGeometry::make(
                {.size = {8 * zone_size}, .zone_size = {zone_size}, .conventional = 1, .model = model})
                .value();
        ASSERT_TRUE(format_image(image(), geometry, true));
    }
    [[nodiscard]] std::string image() const { return folder_ / "image"; }
    [[nodiscard]] Result<std::unique_ptr<ZonedDevice>> open(const std::string& memory) const {
        return ZonedDevice::open(image(), {.zone_memory = memory});
    }
    void start() { device_ = open(memory_.path()).value(); }
    void kill() { device_.reset(); }
    void restart() {
        kill();
        start();
    }
    int write(std::uint64_t offset, char value, std::size_t length = 4096) {
        std::vector<std::byte> data(length, static_cast<std::byte>(value));
        return run(*device_, Op::write, offset, data);
    }
    char read(std::uint64_t offset) {
        std::array<std::byte, 512> data{};
        EXPECT_EQ(run(*device_, Op::read, offset, data), 0);
        return static_cast<char>(data[0]);
    }
    std::uint64_t written(std::uint64_t zone) {
        const auto described = device_->describe({zone});
        return (described.write_pointer - described.start).value;
    }

    test::TemporaryFolder folder_;
    test::TemporaryFolder memory_{"/dev/shm/"};
    std::unique_ptr<ZonedDevice> device_;
};

TEST_F(ZoneMemoryTest, WritePointersAreThoseOfTheLastWrite) {
    start();
    EXPECT_FALSE(device_->zones_were_kept());
    EXPECT_EQ(write(zone_size, 'a'), 0);
    EXPECT_EQ(write(zone_size + 4096, 'b'), 0);
    EXPECT_EQ(write(2 * zone_size, 'c', zone_size), 0);
    restart();
    EXPECT_TRUE(device_->image_was_unclean());
    EXPECT_TRUE(device_->zones_were_kept());
    EXPECT_EQ(written(1), 8192U);
    EXPECT_EQ(device_->describe({1}).condition, ZoneCondition::closed);
    EXPECT_EQ(device_->describe({2}).condition, ZoneCondition::full);
    EXPECT_EQ(read(zone_size + 4096), 'b');
    EXPECT_EQ(write(zone_size + 8192, 'd'), 0);
    restart();
    EXPECT_EQ(written(1), 12288U) << "and again";
    EXPECT_EQ(read(zone_size + 8192), 'd');
}

TEST_F(ZoneMemoryTest, WithoutItTheyAreThoseOfTheLastFlush) {
    start();
    EXPECT_EQ(write(zone_size, 'a'), 0);
    EXPECT_EQ(run(*device_, Op::flush, 0), 0);
    EXPECT_EQ(write(zone_size + 4096, 'b'), 0);
    kill();
    device_ = open("").value();
    EXPECT_FALSE(device_->zones_were_kept());
    EXPECT_EQ(written(1), 4096U);
}

TEST_F(ZoneMemoryTest, WhatIsKeptIsWrittenByTheNextFlush) {
    start();
    EXPECT_EQ(write(zone_size, 'a'), 0);
    restart();
    EXPECT_EQ(run(*device_, Op::flush, 0), 0);
    kill();
    device_ = open("").value();
    EXPECT_EQ(written(1), 4096U);
}

TEST_F(ZoneMemoryTest, ResetsFinishesAndDegradedZonesAreKept) {
    start();
    EXPECT_EQ(write(zone_size, 'a'), 0);
    EXPECT_EQ(write(2 * zone_size, 'a'), 0);
    EXPECT_EQ(run(*device_, Op::flush, 0), 0);
    EXPECT_EQ(run(*device_, Op::reset_zone, zone_size), 0);
    EXPECT_EQ(run(*device_, Op::finish_zone, 2 * zone_size), 0);
    EXPECT_EQ(device_->degrade({3}, ZoneCondition::read_only), ZoneError::none);
    EXPECT_EQ(device_->recommend_reset({4}), ZoneError::none);
    restart();
    EXPECT_EQ(device_->describe({1}).condition, ZoneCondition::empty);
    EXPECT_EQ(device_->describe({2}).condition, ZoneCondition::full);
    EXPECT_EQ(device_->describe({3}).condition, ZoneCondition::read_only);
    EXPECT_TRUE(device_->describe({4}).reset_recommended);
}

// The one that its sender may not have been told of.
TEST_F(ZoneMemoryTest, TheLastWriteOfAZoneMayComeAgainOnce) {
    start();
    EXPECT_EQ(write(zone_size, 'a'), 0);
    EXPECT_EQ(write(zone_size + 4096, 'b', 8192), 0);
    EXPECT_EQ(write(3 * zone_size, 'c', zone_size), 0);
    EXPECT_NE(write(zone_size + 4096, 'b', 8192), 0) << "not as long as the daemon lives";
    restart();
    EXPECT_EQ(write(zone_size + 4096, 'B', 8192), 0);
    EXPECT_EQ(written(1), 12288U);
    EXPECT_EQ(read(zone_size + 4096), 'B');
    EXPECT_NE(write(zone_size + 4096, 'x', 8192), 0) << "once";
    EXPECT_EQ(write(zone_size + 12288, 'd'), 0);
    EXPECT_EQ(write(3 * zone_size, 'C', zone_size), 0) << "the one that filled it, too";
    EXPECT_EQ(device_->describe({3}).condition, ZoneCondition::full);
    EXPECT_EQ(device_->counters().errors, 1U);
}

// A request that goes back to the kernel's queue can be merged there with the one behind it.
TEST_F(ZoneMemoryTest, TheLastWriteMayComeAgainMergedWithTheNext) {
    start();
    EXPECT_EQ(write(zone_size, 'a'), 0);
    EXPECT_EQ(write(zone_size + 4096, 'b', 8192), 0);
    restart();
    EXPECT_EQ(write(zone_size + 4096, 'B', 16384), 0);
    EXPECT_EQ(written(1), 20480U);
    EXPECT_EQ(read(zone_size + 4096), 'B');
    EXPECT_EQ(read(zone_size + 16384), 'B');
    restart();
    EXPECT_EQ(write(zone_size + 4096, 'C', 16384), 0) << "as a whole, it was the last one then";
    EXPECT_EQ(written(1), 20480U);
    restart();
    EXPECT_NE(write(zone_size + 4096, 'x', zone_size - 4096 + 512), 0) << "into the next zone";
    EXPECT_EQ(written(1), 20480U);
}

TEST_F(ZoneMemoryTest, ItIsKnownThatAnImageHasZonesThatAreNewer) {
    const auto kept = [&] {
        return kept_zones_of(inspect_image(image()).value().contents->superblock, memory_.path());
    };
    EXPECT_EQ(kept(), "");
    start();
    EXPECT_EQ(write(zone_size, 'a'), 0);
    kill();
    EXPECT_TRUE(kept().starts_with(memory_.path()));
    static_cast<void>(open("").value());  // a daemon that keeps nothing, and is killed
    EXPECT_EQ(kept(), "");
    start();
    kill();
    EXPECT_NE(kept(), "");
    start();
    ASSERT_TRUE(device_->close());
    kill();
    EXPECT_EQ(kept(), "");
}

TEST_F(ZoneMemoryTest, AnotherWriteThanTheLastIsRefusedAsEver) {
    start();
    EXPECT_EQ(write(zone_size, 'a'), 0);
    EXPECT_EQ(write(zone_size + 4096, 'b', 8192), 0);
    EXPECT_EQ(write(2 * zone_size, 'a'), 0);
    EXPECT_EQ(write(4 * zone_size, 'a'), 0);
    EXPECT_EQ(run(*device_, Op::reset_zone, 4 * zone_size), 0);
    restart();
    EXPECT_NE(write(zone_size, 'x'), 0) << "not the last";
    EXPECT_NE(write(zone_size + 4096, 'x', 8192), 0) << "something else came first";
    EXPECT_EQ(write(2 * zone_size + 4096, 'b'), 0);
    EXPECT_NE(write(2 * zone_size, 'x'), 0) << "the zone goes on";
    EXPECT_EQ(write(4 * zone_size, 'y'), 0) << "a first write after the reset";
    EXPECT_EQ(written(4), 4096U);
}

TEST_F(ZoneMemoryTest, HostAwareZonesAreKeptAsTheyAre) {
    format(ZoneModel::host_aware);
    start();
    EXPECT_EQ(write(zone_size + 8192, 'a'), 0);
    EXPECT_EQ(write(3 * zone_size - 4096, 'b', 8192), 0) << "into the next one";
    restart();
    EXPECT_EQ(written(1), 12288U);
    EXPECT_TRUE(device_->describe({1}).non_sequential);
    EXPECT_EQ(device_->describe({2}).condition, ZoneCondition::full);
    EXPECT_EQ(written(3), 4096U);
}

TEST_F(ZoneMemoryTest, ACleanEndLeavesNothing) {
    start();
    EXPECT_EQ(write(zone_size, 'a'), 0);
    EXPECT_FALSE(std::filesystem::is_empty(memory_.path()));
    ASSERT_TRUE(device_->close());
    EXPECT_TRUE(std::filesystem::is_empty(memory_.path()));
    restart();
    EXPECT_FALSE(device_->zones_were_kept());
    EXPECT_EQ(written(1), 4096U);
}

TEST_F(ZoneMemoryTest, WhatIsNotOfTheImageAsItIsIsNotTaken) {
    start();
    EXPECT_EQ(write(zone_size, 'a'), 0);
    kill();
    {
        const auto between = open("").value();  // a daemon that keeps nothing
        std::vector<std::byte> data(4096);
        EXPECT_EQ(run(*between, Op::write, zone_size, data), 0);
        EXPECT_EQ(run(*between, Op::flush, 0), 0);
    }
    start();
    EXPECT_FALSE(device_->zones_were_kept()) << "the image has gone on without it";
    restart();
    EXPECT_TRUE(device_->zones_were_kept());
    EXPECT_EQ(written(1), 4096U);
    EXPECT_NE(write(zone_size, 'x'), 0) << "a last write of an older session";
    kill();
    format(ZoneModel::host_managed);
    start();
    EXPECT_FALSE(device_->zones_were_kept()) << "another image";
}

TEST_F(ZoneMemoryTest, OfATranslatedImageNothingIsKept) {
    const auto geometry = ZonedGeometry::make({.size = {8 * zone_size},
                                               .zone_size = {zone_size},
                                               .conventional = 1,
                                               .model = ZoneModel::host_managed})
                              .value();
    ASSERT_TRUE(format_image(image(), geometry, true, true));
    start();
    EXPECT_EQ(write(zone_size, 'a'), 0);
    restart();
    EXPECT_FALSE(device_->zones_were_kept());
    EXPECT_EQ(written(1), 0U);
    EXPECT_TRUE(std::filesystem::is_empty(memory_.path()));
}

TEST_F(ZoneMemoryTest, AFolderOnADiskIsRefused) {
    const test::TemporaryFolder build(REFLUX_BUILD_DIR "/");
    const auto device = open(build.path());
    if (device) {
        GTEST_SKIP() << "the build folder lies in a memory filesystem";
    }
    EXPECT_EQ(device.error().kind, ErrorKind::unsupported);
    EXPECT_TRUE(std::filesystem::is_empty(build.path()));
}

TEST_F(ZoneMemoryTest, AFileThatIsNotItsOwnIsLeftAlone) {
    const std::string other = memory_ / "other";
    memory_.write("other", "what somebody keeps here");
    const auto opened = open(other);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, ErrorKind::invalid_input);
    EXPECT_EQ(read_file(other).value_or(""), "what somebody keeps here");
}

TEST_F(ZoneMemoryTest, WithoutThemNoHostMayGoOn) {
    start();
    ASSERT_EQ(write(zone_size, 'a'), 0);
    kill();
    const auto device = open("").value();
    const auto goes_on = device->check_goes_on();
    ASSERT_FALSE(goes_on);
    EXPECT_EQ(goes_on.error().kind, ErrorKind::invalid_input);
}

}  // namespace
}  // namespace reflux
