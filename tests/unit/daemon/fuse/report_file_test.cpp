#include "daemon/fuse/report_file.h"

#include "tests/support/temporary_folder.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reflux::fuse {
namespace {

constexpr std::uint64_t zones = 2000;  // several portions

class ReportFileTest : public testing::Test {
  protected:
    ReportFileTest() {
        const auto geometry =
            ZonedGeometry::make(
                {.size = kibibytes(64 * zones), .zone_size = kibibytes(64), .conventional = 3})
                .value();
        EXPECT_TRUE(format_image(folder_ / "image", geometry, false));
        device_ = ZonedDevice::open(folder_ / "image", {}).value();
    }
    static std::string read_all(ReportFile& file, std::size_t piece) {
        std::string text;
        for (std::string more = file.read(0, piece); !more.empty(); more = file.read(text.size(), piece)) {
            text += more;
        }
        return text;
    }
    test::TemporaryFolder folder_;
    std::unique_ptr<ZonedDevice> device_;
};

TEST_F(ReportFileTest, IsTheSameHoweverItIsRead) {
    for (const auto format : {ReportFormat::text, ReportFormat::json}) {
        ReportFile file(*device_, format);
        const std::string whole = file.read(0, 10 << 20);
        ASSERT_GT(whole.size(), zones * 50);
        EXPECT_TRUE(read_all(file, 4096) == whole);
        EXPECT_TRUE(read_all(file, 1 << 20) == whole);
        for (const std::size_t offset : {whole.size() - 10, std::size_t{70000}, std::size_t{1}}) {
            EXPECT_TRUE(file.read(offset, 5000) == whole.substr(offset, 5000)) << offset;
        }
        EXPECT_EQ(file.read(whole.size(), 1), "");
        EXPECT_EQ(file.read(whole.size() + 1, 1), "");
        EXPECT_EQ(file.read(~std::uint64_t{0}, 1), "");
        EXPECT_EQ(file.read(0, 0), "");
    }
}

TEST_F(ReportFileTest, TellsEveryZone) {
    device_->degrade({7}, ZoneCondition::read_only);
    ReportFile text(*device_, ReportFormat::text);
    const std::string lines = read_all(text, 65536);
    EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), zones + 3);
    EXPECT_THAT(lines, testing::HasSubstr("in use"));
    ReportFile file(*device_, ReportFormat::json);
    const auto report = nlohmann::json::parse(read_all(file, 65536));
    EXPECT_EQ(report["zone_count"], zones);
    EXPECT_EQ(report["in_use"], true);
    EXPECT_EQ(report["clean"], true);
    EXPECT_EQ(report["translated"], false);
    ASSERT_EQ(report["zones"].size(), zones);
    EXPECT_EQ(report["zones"][2]["type"], "conventional");
    EXPECT_EQ(report["zones"][7]["condition"], "read_only");
    EXPECT_EQ(report["zones"][1999]["start"], 1999 * 65536);
}

}  // namespace
}  // namespace reflux::fuse
