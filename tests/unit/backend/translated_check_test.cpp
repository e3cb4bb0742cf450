// fsck of a translated image's file, as the verb does it: inspected, repaired, and served again.
#include "backend/translated_device.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/backend/device_requests.h"

#include <fcntl.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using test::run;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TranslatedCheck : public testing::Test {
  protected:
    void SetUp() override {
        geometry_ = ZonedGeometry::make({.size = kibibytes(64 * 24),
                                         .zone_size = kibibytes(64),
                                         .conventional = 8,
                                         .model = ZoneModel::host_managed})
                        .value();
        ASSERT_TRUE(format_image(path_, *geometry_, false, true));
        EXPECT_THAT(inspect(), ElementsAre()) << "not served yet";
        ASSERT_NO_FATAL_FAILURE(serve());
    }
    // Writes into several chunks with a flush after each, and ends well.
    void serve() {
        const auto device = *ZonedDevice::open(path_, {});
        auto disk = TranslatedDevice::start(*device);
        ASSERT_TRUE(disk) << disk.error().message;
        std::vector<std::byte> data(20000, std::byte{0x5a});
        for (std::uint64_t chunk = 0; chunk < 3; ++chunk) {
            EXPECT_EQ(run(**disk, DeviceOperation::write, chunk << 16U, data), 0);
            EXPECT_EQ(run(**disk, DeviceOperation::flush, 0), 0);
        }
        EXPECT_TRUE((*disk)->close());
        disk->reset();
        EXPECT_TRUE(device->close());
    }
    // Changes a byte of one of the sets of metadata.
    void damage(std::size_t set, std::uint64_t at) const {
        const auto layout = map::MapLayout::make(*geometry_).value();
        const auto offset =
            static_cast<off_t>((data_offset_for(*geometry_) + layout.set_offset(set)).value + at);
        const UniqueFd file(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
        char byte = 0;
        ASSERT_EQ(::pread(file.get(), &byte, 1, offset), 1);
        byte = static_cast<char>(byte ^ 4);
        ASSERT_EQ(::pwrite(file.get(), &byte, 1, offset), 1);
    }
    // Its lines, and which kind they are.
    [[nodiscard]] std::vector<std::string> inspect() const {
        const auto inspected = inspect_image(path_, true);
        EXPECT_TRUE(inspected);
        std::vector<std::string> lines;
        const auto add = [&](std::string_view kind, const std::vector<std::string>& found) {
            for (const auto& line : found) {
                lines.push_back(fmt::format("{}: {}", kind, line));
            }
        };
        add("fatal", inspected->findings.fatal);
        add("repairable", inspected->findings.repairable);
        add("note", inspected->findings.notes);
        return lines;
    }

    test::TemporaryFolder folder_;
    std::string path_ = folder_ / "image";
    std::optional<ZonedGeometry> geometry_;
};

TEST_F(TranslatedCheck, WhatWasServedIsClean) {
    EXPECT_THAT(inspect(), ElementsAre());
    EXPECT_TRUE(repair_image(path_));
    EXPECT_THAT(inspect(), ElementsAre());
}

TEST_F(TranslatedCheck, ADamagedSetIsToldAndRepaired) {
    for (const std::size_t set : {0U, 1U}) {
        damage(set, 20);
        EXPECT_THAT(inspect(),
                    ElementsAre(HasSubstr(fmt::format("repairable: translation: set {} of its metadata has a "
                                                      "damaged superblock; set {}, of generation ",
                                                      set, 1 - set))));
        EXPECT_THAT(inspect_image(path_)->findings.repairable, IsEmpty()) << "report does not look there";
        ASSERT_TRUE(repair_image(path_));
        EXPECT_THAT(inspect(), ElementsAre());
        serve();
    }
}

TEST_F(TranslatedCheck, WithoutAWholeSetNothingIsRepaired) {
    damage(0, 20);
    damage(1, map::block_size + 20);
    EXPECT_THAT(inspect(),
                ElementsAre(HasSubstr("fatal: translation: set 0"), HasSubstr("fatal: translation: set 1")));
    EXPECT_FALSE(repair_image(path_));
    damage(0, 20);  // as it was
    ASSERT_EQ(inspect().size(), 1U);
}

}  // namespace
}  // namespace reflux
