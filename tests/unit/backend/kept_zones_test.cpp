// What is left of a disk whose process was killed: here its ZonedDevice ends without close(), as it would by
// a kill, for all that it knew lies in its own memory and in the kept zones.
#include "backend/kept_zones.h"

#include "backend/zoned_device.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/backend/device_requests.h"

#include <array>
#include <cerrno>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using test::run;
using testing::HasSubstr;
using Keep = DeviceOptions::Keep;
constexpr std::uint64_t zone_size = 64 << 10;

class KeptZonesTest : public testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        if (const auto folder = KeptZones::default_folder(); !folder) {
            GTEST_SKIP() << folder.error().message;
        }
        const auto geometry = ZonedGeometry::make({.size = {300 * zone_size},
                                                   .zone_size = {zone_size},
                                                   .conventional = 1,
                                                   .model = ZoneModel::host_managed})
                                  .value();
        ASSERT_TRUE(format_image(path_, geometry, false));
    }
    void TearDown() override {
        if (!IsSkipped()) {
            ASSERT_TRUE(open(Keep::fresh)->close());
            EXPECT_FALSE(std::filesystem::exists(kept_path_)) << "a clean end leaves nothing";
        }
    }

    Result<std::unique_ptr<ZonedDevice>> try_open(Keep keep) {
        auto device = ZonedDevice::open(path_, {.engine = GetParam(), .keep = keep});
        if (device) {
            kept_path_ = KeptZones::default_folder().value() + "/" +
                         KeptZones::file_name(KeptZones::identity_of((*device)->superblock()));
        }
        return device;
    }
    std::unique_ptr<ZonedDevice> open(Keep keep) {
        auto device = try_open(keep);
        EXPECT_TRUE(device) << device.error().message;
        return device ? std::move(*device) : nullptr;
    }
    static std::uint64_t written(const ZonedDevice& device, std::uint64_t zone) {
        const auto described = device.describe({zone});
        return (described.write_pointer - described.start).value;
    }

    test::TemporaryFolder folder_;
    std::string path_ = folder_ / "image";
    std::string kept_path_;
    std::vector<std::byte> data_ = std::vector<std::byte>(8192, std::byte{0x77});
    std::vector<std::byte> other_ = std::vector<std::byte>(8192, std::byte{0x33});
};
INSTANTIATE_TEST_SUITE_P(Engines, KeptZonesTest, testing::Values("sync", "uring"));

TEST_P(KeptZonesTest, AllThatWasAnsweredIsThereAfterAKill) {
    {
        const auto device = open(Keep::fresh);
        EXPECT_EQ(run(*device, DeviceOperation::write, 2 * zone_size, data_), 0);
        EXPECT_EQ(run(*device, DeviceOperation::append, 280 * zone_size, data_), 0);
        EXPECT_EQ(run(*device, DeviceOperation::open_zone, 3 * zone_size), 0);
        EXPECT_EQ(run(*device, DeviceOperation::finish_zone, 4 * zone_size), 0);
    }
    EXPECT_TRUE(std::filesystem::exists(kept_path_));
    {
        const auto device = open(Keep::take_over);
        ASSERT_TRUE(device);
        EXPECT_EQ(written(*device, 2), 8192U);
        EXPECT_EQ(written(*device, 280), 8192U);
        EXPECT_EQ(device->describe({2}).condition, ZoneCondition::implicit_open) << "no power cycle";
        EXPECT_EQ(device->describe({3}).condition, ZoneCondition::explicit_open);
        EXPECT_EQ(device->describe({4}).condition, ZoneCondition::full);
        std::vector<std::byte> read(8192);
        EXPECT_EQ(run(*device, DeviceOperation::read, 280 * zone_size, read), 0);
        EXPECT_EQ(read, data_);
        EXPECT_EQ(run(*device, DeviceOperation::write, 2 * zone_size + 8192, data_), 0);
    }
    {
        const auto device = open(Keep::take_over);  // a second kill
        ASSERT_TRUE(device);
        EXPECT_EQ(written(*device, 2), 16384U);
        EXPECT_EQ(written(*device, 280), 8192U);
        EXPECT_TRUE(device->close());
    }
    const auto device = open(Keep::no);
    EXPECT_EQ(written(*device, 2), 16384U) << "by the image's own table";
    EXPECT_EQ(written(*device, 280), 8192U);
    EXPECT_TRUE(device->close());
}

TEST_P(KeptZonesTest, WithoutThemItIsAPowerCycle) {
    {
        const auto device = open(Keep::fresh);
        EXPECT_EQ(run(*device, DeviceOperation::write, 2 * zone_size, data_), 0);
    }
    const auto device = open(Keep::fresh);
    EXPECT_EQ(written(*device, 2), 0U);
}

TEST_P(KeptZonesTest, AWriteThatWasDoneAndNotAnsweredMayComeAgain) {
    {
        const auto device = open(Keep::fresh);
        EXPECT_EQ(run(*device, DeviceOperation::write, 2 * zone_size, data_), 0);
        EXPECT_EQ(run(*device, DeviceOperation::write, 2 * zone_size + 8192, data_), 0);
        EXPECT_EQ(run(*device, DeviceOperation::write, 2 * zone_size + 8192, data_), EIO) << "no kill yet";
    }
    const auto device = open(Keep::take_over);
    ASSERT_TRUE(device);
    EXPECT_EQ(run(*device, DeviceOperation::write, 2 * zone_size, data_), EIO) << "it ends elsewhere";
    EXPECT_EQ(run(*device, DeviceOperation::write, 2 * zone_size + 8192, other_), 0);
    EXPECT_EQ(written(*device, 2), 16384U);
    std::vector<std::byte> read(8192);
    EXPECT_EQ(run(*device, DeviceOperation::read, 2 * zone_size + 8192, read), 0);
    EXPECT_EQ(read, other_) << "its data counts";
    EXPECT_EQ(run(*device, DeviceOperation::write, 2 * zone_size + 16384, data_), 0);
    EXPECT_EQ(run(*device, DeviceOperation::write, 2 * zone_size + 16384, data_), EIO)
        << "another write was there: nothing comes again any more";
    EXPECT_EQ(written(*device, 2), 24576U);
}

TEST_P(KeptZonesTest, TheLastWriteOfAZoneMayComeAgain) {
    {
        const auto device = open(Keep::fresh);
        for (std::uint64_t at = 0; at < zone_size; at += data_.size()) {
            EXPECT_EQ(run(*device, DeviceOperation::write, 2 * zone_size + at, data_), 0);
        }
    }
    const auto device = open(Keep::take_over);
    ASSERT_TRUE(device);
    EXPECT_EQ(run(*device, DeviceOperation::write, 3 * zone_size - 8192, data_), 0);
    EXPECT_EQ(device->describe({2}).condition, ZoneCondition::full);
    EXPECT_EQ(run(*device, DeviceOperation::reset_zone, 2 * zone_size), 0);
    EXPECT_EQ(written(*device, 2), 0U);
}

TEST_P(KeptZonesTest, AnotherSessionsAreRefused) {
    { const auto device = open(Keep::fresh); }
    { const auto device = open(Keep::no); }  // and is not closed either
    const auto device = try_open(Keep::take_over);
    ASSERT_FALSE(device);
    EXPECT_EQ(device.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(device.error().message, HasSubstr("in use again"));
}

TEST_P(KeptZonesTest, NoneAreRefused) {
    ASSERT_TRUE(open(Keep::fresh)->close());
    const auto device = try_open(Keep::take_over);
    ASSERT_FALSE(device);
    EXPECT_THAT(device.error().message, HasSubstr("is not there"));
}

TEST_P(KeptZonesTest, TheyAreDiscardedUnlessInUse) {
    std::uint64_t identity = 0;
    {
        const auto device = open(Keep::fresh);
        identity = KeptZones::identity_of(device->superblock());
        KeptZones::discard(identity);
        EXPECT_TRUE(std::filesystem::exists(kept_path_));
    }
    KeptZones::discard(identity);
    EXPECT_FALSE(std::filesystem::exists(kept_path_));
}

}  // namespace
}  // namespace reflux
