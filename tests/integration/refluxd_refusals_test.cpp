// What refluxd refuses: bad images, bad places, machines without FUSE. Needs root and /dev/fuse.
#include "backend/base/kernel_file.h"
#include "tests/integration/support/refluxd_fixture.h"

#include <array>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
namespace files = std::filesystem;

class RefluxdRefusals : public RefluxdTest {
  protected:
    void format_again() const {
        ASSERT_EQ(run_refluxd({"format", image_, "--size", "16MiB", "--zone-size", "1MiB", "--force"}).code,
                  0);
    }
    // docs/image-format.md
    static constexpr std::array<off_t, 2> superblocks{0, 4096};
    static constexpr std::array<off_t, 4> table_blocks{8192, 12288, 16384, 20480};

    template <std::size_t n>
    void overwrite_each(const std::array<off_t, n>& blocks, off_t offset, std::string_view bytes) const {
        for (const off_t block : blocks) {
            overwrite(block + offset, bytes);
        }
    }
    void overwrite(off_t offset, std::string_view bytes) const {
        const auto fd = open_file(image_, O_WRONLY);
        ASSERT_TRUE(fd);
        ASSERT_EQ(::pwrite(fd->get(), bytes.data(), bytes.size(), offset),
                  static_cast<ssize_t>(bytes.size()));
    }
};

TEST_F(RefluxdRefusals, SaysWhatToDoWithoutUblk) {
    if (files::exists("/dev/ublk-control")) {
        GTEST_SKIP() << "this machine has ublk";
    }
    expect_refused({"serve", image_, "--front-end", "ublk"}, 3, "modprobe ublk_drv");
    expect_refused({"ublk", "list"}, 3, "modprobe ublk_drv");
    expect_refused({"ublk", "delete", "0"}, 3, "modprobe ublk_drv");
}

TEST_F(RefluxdRefusals, RefusesBadImages) {
    const auto expect = [&](const std::string& part) {
        expect_refused({"serve", image_, mountpoint_, "--control", socket_}, 2, part);
    };
    ASSERT_EQ(::truncate(image_.c_str(), 1 << 20), 0);
    expect("truncated image: expected 17825792 bytes, the file has 1048576");
    format_again();
    overwrite_each(superblocks, 8, "\x09");
    expect("newer refluxd: version 9");
    overwrite_each(superblocks, 8, "\x01");
    expect("older refluxd: version 1");
    format_again();
    overwrite_each(superblocks, 100, "x");
    expect("checksum");
    format_again();
    overwrite_each(table_blocks, 100, "x");
    expect("zone table block 0 has no intact copy");
    overwrite_each(superblocks, 0, "ELF");
    expect("not a refluxd image");
    expect_refused({"serve", folder_ / "none", mountpoint_}, 2, "refluxd format");
    expect_refused({"format", image_, "--size", "16MiB", "--zone-size", "1MiB"}, 2, "--force");
}

TEST_F(RefluxdRefusals, DamageThatACopyStandsInForIsToldAndMended) {
    overwrite(superblocks[0], "ELF");
    overwrite(table_blocks[2] + 100, "x");
    const auto found = run_refluxd({"fsck", image_});
    EXPECT_EQ(found.code, 1) << found.output;
    EXPECT_THAT(found.output, AllOf(HasSubstr("superblock copy 0"), HasSubstr("zone table block 0")));
    EXPECT_EQ(run_refluxd({"report", image_}).code, 0);
    auto process = serve();
    ASSERT_TRUE(process) << process.error().message;
    for (const std::string verb : {"fsck", "report"}) {
        const auto busy = run_refluxd({verb, image_});
        EXPECT_EQ(busy.code, 2) << busy.output;
        EXPECT_THAT(busy.output, HasSubstr("in use"));
    }
    end_well(*process);
    EXPECT_THAT(process->errors(), AllOf(HasSubstr("superblock copy 0"), HasSubstr("zone table block 0")));
    const auto mended = run_refluxd({"fsck", image_});
    EXPECT_EQ(mended.code, 0) << mended.output;
    overwrite(superblocks[1], "ELF");
    const auto repaired = run_refluxd({"fsck", image_, "--repair"});
    EXPECT_EQ(repaired.code, 0) << repaired.output;
    EXPECT_THAT(run_refluxd({"fsck", image_}).output, HasSubstr("nothing is wrong"));
    overwrite_each(table_blocks, 100, "x");
    EXPECT_EQ(run_refluxd({"fsck", image_, "--repair"}).code, 2);
}

TEST_F(RefluxdRefusals, ReportTellsWhatIsInTheImage) {
    {
        auto process = serve();
        ASSERT_TRUE(process) << process.error().message;
        write_disk(disk(), 6 << 20, pattern(8192, 1));
        end_well(*process);
    }
    const auto text = run_refluxd({"report", image_});
    EXPECT_EQ(text.code, 0) << text.output;
    EXPECT_THAT(text.output, AllOf(HasSubstr("host_aware disk of 16MiB"), HasSubstr("16 zones of 1MiB"),
                                   HasSubstr("6299648  sequential_write_preferred closed")));
    const auto json = nlohmann::json::parse(run_refluxd({"report", image_, "--json"}).output, nullptr, false);
    ASSERT_TRUE(json.is_object());
    EXPECT_EQ(json["size"], 16 << 20);
    EXPECT_EQ(json["model"], "host_aware");
    EXPECT_EQ(json["clean"], true);
    ASSERT_EQ(json["zones"].size(), 16U);
    EXPECT_EQ(json["zones"][0]["write_pointer"], nullptr);
    EXPECT_EQ(json["zones"][6]["write_pointer"], (6 << 20) + 8192);
    EXPECT_EQ(json["zones"][6]["condition"], "closed");
}

TEST_F(RefluxdRefusals, RefusesBadPlaces) {
    expect_refused({"serve", image_, mountpoint_, "--control", folder_ / std::string(108, 'x')}, 2, "107");
    expect_refused({"serve", image_, folder_ / "none"}, 2, "does not exist");
    expect_refused({"serve", image_, image_}, 2, "not a directory");
    ASSERT_TRUE(replace_file(folder_ / "file", "precious"));
    expect_refused({"serve", image_, mountpoint_, "--control", folder_ / "file"}, 2, "not a socket");
    EXPECT_EQ(read_file(folder_ / "file").value(), "precious");
    expect_refused({"serve", image_, mountpoint_, "--engine", "quantum"}, 2, "sync, threads");
    auto process = serve();
    ASSERT_TRUE(process) << process.error().message;
    const auto busy = run_refluxd({"serve", image_, mountpoint_});
    EXPECT_EQ(busy.code, 2);
    EXPECT_THAT(busy.output, HasSubstr("busy"));
    files::create_directory(folder_ / "other");
    const auto used = run_refluxd({"serve", image_, folder_ / "other"});
    EXPECT_EQ(used.code, 2);
    EXPECT_THAT(used.output, HasSubstr("in use"));
    end_well(*process);
    EXPECT_EQ(process->errors(), "") << "and none of that marked the image";
}

TEST_F(RefluxdTest, WithoutAFuseDeviceItSaysSo) {
    // A container without FUSE: a /dev with nothing in it, in a namespace of its own.
    const auto result =
        run_command({"unshare", "-m", "sh", "-c", "mount -t tmpfs none /dev && exec \"$0\" \"$@\"",
                     refluxd_program(), "serve", image_, mountpoint_},
                    Seconds(20));
    ASSERT_TRUE(result && result->exit);
    EXPECT_EQ(result->exit->code, 3) << result->output;
    EXPECT_THAT(result->output, AllOf(HasSubstr("/dev/fuse"), HasSubstr("no FUSE")));
}

}  // namespace
}  // namespace reflux::test
