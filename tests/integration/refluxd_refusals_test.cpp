// What refluxd refuses: bad images, bad places, machines without FUSE. Needs root and /dev/fuse.
#include "backend/base/kernel_file.h"
#include "tests/integration/support/refluxd_fixture.h"

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
    void overwrite(off_t offset, std::string_view bytes) const {
        const auto fd = open_file(image_, O_WRONLY);
        ASSERT_TRUE(fd);
        ASSERT_EQ(::pwrite(fd->get(), bytes.data(), bytes.size(), offset),
                  static_cast<ssize_t>(bytes.size()));
    }
};

TEST_F(RefluxdRefusals, RefusesBadImages) {
    const auto expect = [&](const std::string& part) {
        expect_refused({"serve", image_, mountpoint_, "--control", socket_}, 2, part);
    };
    ASSERT_EQ(::truncate(image_.c_str(), 1 << 20), 0);
    expect("truncated image: expected 17825792 bytes, the file has 1048576");
    format_again();
    overwrite(8, "\x09");
    expect("newer refluxd: version 9");
    format_again();
    overwrite(100, "x");
    expect("checksum");
    format_again();
    overwrite(4096 + 100, "x");
    expect("checksum of zone table block 0");
    overwrite(0, "ELF");
    expect("not a refluxd image");
    expect_refused({"serve", folder_ / "none", mountpoint_}, 2, "refluxd format");
    expect_refused({"format", image_, "--size", "16MiB", "--zone-size", "1MiB"}, 2, "--force");
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
