#include "daemon/tcmu/lio_device.h"

#include "backend/base/kernel_file.h"
#include "daemon/tcmu/pieces.h"
#include "daemon/tcmu/tcmu_front_end.h"
#include "tests/support/temporary_folder.h"

#include <array>
#include <cstring>
#include <string>

namespace reflux::tcmu {
namespace {

TEST(DeviceName, HasItsParts) {
    const auto name = parse_device_name("tcm-user/0/disk/reflux/disk");
    ASSERT_TRUE(name);
    EXPECT_EQ(*name, (DeviceName{.hba = "0", .name = "disk", .config = "reflux/disk"}));
    EXPECT_EQ(parse_device_name("tcm-user/12/a b/zbc/model-HM@/x/y")->config, "zbc/model-HM@/x/y");
    for (const char* const wrong :
         {"", "tcm-user", "tcm-user/", "tcm-user/0", "tcm-user/0/", "tcm-user/0/disk", "tcm-user/0/disk/",
          "tcm-user//disk/reflux/a", "tcm-user/0//reflux/a", "other/0/disk/reflux/disk"}) {
        EXPECT_FALSE(parse_device_name(wrong)) << wrong;
    }
}

TEST(DeviceList, IsOfUioDevicesWithNamesOfTheKind) {
    const test::TemporaryFolder sys;
    sys.write("uio0/name", "some-card\n");
    sys.write("uio3/name", "tcm-user/0/disk/reflux/disk\n");
    sys.write("uio12/name", "tcm-user/1/other/zbc/model-HM@/file\n");
    sys.write("uiox/name", "tcm-user/0/disk/reflux/disk\n");
    sys.write("uio4/version", "2\n");
    const auto devices = list_devices(sys.path());
    ASSERT_EQ(devices.size(), 2U);
    EXPECT_EQ(devices[0].minor, 12U);
    EXPECT_EQ(devices[0].name.config, "zbc/model-HM@/file");
    EXPECT_EQ(devices[1].minor, 3U);
    EXPECT_EQ(devices[1].name.name, "disk");
    EXPECT_TRUE(list_devices(sys / "missing").empty());
}

TEST(Configfs, IsReadAndWhatIsNotThereHasADefault) {
    const test::TemporaryFolder core;
    const ConfigfsDevice device({.hba = "5", .name = "disk", .config = "reflux/disk"}, core.path());
    EXPECT_EQ(device.serial(), "");
    EXPECT_FALSE(device.max_sectors());
    EXPECT_FALSE(device.begin_afresh());
    core.write("user_5/disk/wwn/vpd_unit_serial", "T10 VPD Unit Serial Number: 1234-abcd\n");
    core.write("user_5/disk/attrib/hw_max_sectors", "256\n");
    core.write("user_5/disk/action/block_dev", "");
    core.write("user_5/disk/action/reset_ring", "");
    EXPECT_EQ(device.serial(), "1234-abcd");
    EXPECT_EQ(device.max_sectors(), 256U);
    EXPECT_TRUE(device.begin_afresh());
    EXPECT_EQ(read_file(core / "user_5/disk/action/block_dev").value(), "1");
    EXPECT_EQ(read_file(core / "user_5/disk/action/reset_ring").value(), "1");
    EXPECT_TRUE(device.unblock());
    EXPECT_EQ(read_file(core / "user_5/disk/action/block_dev").value(), "0");
    EXPECT_EQ(device.alias(), "");
    EXPECT_FALSE(device.size());
    core.write("user_5/disk/alias", "");
    core.write("user_5/disk/attrib/dev_size", "67108864\n");
    EXPECT_TRUE(device.set_alias("refluxd image 1"));
    EXPECT_EQ(device.alias(), "refluxd image 1");
    EXPECT_EQ(device.size(), 67108864U);
    core.write("user_5/disk/attrib/hw_max_sectors", "0\n");
    EXPECT_FALSE(device.max_sectors());
}

TEST(Name, IsWhatADevConfigCanHold) {
    for (const char* const good : {"disk", "a.b_c-D9"}) {
        EXPECT_TRUE(check_name(good)) << good;
    }
    for (const char* const wrong : {"", "a/b", "a b", "a,b", "a@b", "\xc3\xa4"}) {
        const auto status = check_name(wrong);
        ASSERT_FALSE(status) << wrong;
        EXPECT_EQ(status.error().kind, ErrorKind::invalid_input);
    }
}

TEST(Pieces, AreGatheredAndScattered) {
    std::array<std::byte, 16> memory{};
    const std::span<std::byte> all(memory);
    const std::array parts{all.subspan(8, 4), all.subspan(0, 3), all.subspan(3, 0), all.subspan(4, 3)};
    const Pieces pieces(parts);
    EXPECT_EQ(size_of(pieces), 10U);
    EXPECT_EQ(contiguous(pieces, 4).data(), &memory[8]);
    EXPECT_TRUE(contiguous(pieces, 5).empty());
    EXPECT_TRUE(contiguous({}, 1).empty());

    const std::string text = "abcdefgh";
    memory.fill(std::byte{'.'});
    EXPECT_EQ(scatter(std::as_bytes(std::span(text)), pieces), 8U);
    std::string seen;
    for (const std::byte byte : memory) {
        seen += byte == std::byte{} ? '0' : static_cast<char>(byte);
    }
    EXPECT_EQ(seen, "efg.h00.abcd....") << "zeroes where the pieces go on, and no further";
    std::array<std::byte, 8> back{};
    gather(pieces, back);
    EXPECT_EQ(std::memcmp(back.data(), text.data(), 8), 0);
    EXPECT_EQ(scatter(std::as_bytes(std::span(text)), Pieces(pieces).first(1)), 4U);
}

}  // namespace
}  // namespace reflux::tcmu
