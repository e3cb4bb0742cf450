#include "tests/integration/support/refluxd_fixture.h"

#include "backend/base/kernel_file.h"
#include "backend/base/mountinfo.h"

#include <algorithm>
#include <csignal>
#include <filesystem>

#include <gmock/gmock.h>

namespace reflux::test {

using testing::AllOf;
using testing::HasSubstr;
namespace files = std::filesystem;

std::string pattern(std::size_t size, unsigned seed) {
    std::string text(size, '\0');
    std::uint32_t state = seed * 2654435761U + 1;
    for (char& letter : text) {
        state = state * 1664525U + 1013904223U;
        letter = static_cast<char>(state >> 24U);
    }
    return text;
}

void write_disk(const std::string& path, off_t offset, std::string_view data) {
    const auto fd = open_file(path, O_WRONLY);
    ASSERT_TRUE(fd) << fd.error().message;
    ASSERT_EQ(::pwrite(fd->get(), data.data(), data.size(), offset), static_cast<ssize_t>(data.size()))
        << std::generic_category().message(errno);
    ASSERT_EQ(::fsync(fd->get()), 0);
}

std::string read_disk(const std::string& path, off_t offset, std::size_t size) {
    std::string data(size, '\0');
    const auto fd = open_file(path, O_RDONLY);
    const ssize_t n = fd ? ::pread(fd->get(), data.data(), size, offset) : -1;
    data.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return data;
}

void RefluxdTest::SetUpTestSuite() {
    if (::geteuid() == 0) {
        ASSERT_TRUE(own_mount_namespace());
    }
}

void RefluxdTest::SetUp() {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root";
    }
    if (::access("/dev/fuse", R_OK | W_OK) != 0) {
        GTEST_SKIP() << "needs /dev/fuse";
    }
    mountpoint_ = folder_ / "mnt";
    image_ = folder_ / "image";
    socket_ = folder_ / "control";
    files::create_directory(mountpoint_);
    format(image_);
}

void RefluxdTest::TearDown() {
    if (!mountpoint_.empty()) {
        EXPECT_FALSE(is_mounted()) << "refluxd left its mount";
        detach_mount(mountpoint_);
    }
}

void RefluxdTest::format(const std::string& path) {
    const auto ended = run_refluxd({"format", path, "--size", "16MiB", "--zone-size", "1MiB"});
    ASSERT_EQ(ended.code, 0) << ended.output;
}

void RefluxdTest::format_as(std::vector<std::string> options) const {
    options.insert(options.begin(), {"format", image_, "--force"});
    const auto ended = run_refluxd(std::move(options));
    ASSERT_EQ(ended.code, 0) << ended.output;
}

std::string RefluxdTest::cnv(unsigned zone) const {
    return fmt::format("{}/zones/cnv/{}", mountpoint_, zone);
}

std::string RefluxdTest::seq(unsigned zone) const {
    return fmt::format("{}/zones/seq/{}", mountpoint_, zone);
}

Result<RefluxdProcess> RefluxdTest::serve(std::vector<std::string> more) const {
    more.insert(more.begin(), {image_, mountpoint_, "--control", socket_});
    return RefluxdProcess::serve(std::move(more));
}

bool RefluxdTest::is_mounted() const {
    const auto all = mounts().value_or(std::vector<Mount>{});
    return std::any_of(all.begin(), all.end(),
                       [&](const Mount& mount) { return mount.mount_point == mountpoint_; });
}

void RefluxdTest::end_well(RefluxdProcess& process) {
    ASSERT_TRUE(process.signal(SIGTERM));
    ASSERT_EQ(process.wait(), 0) << process.errors();
}

void RefluxdTest::expect_refused(const std::vector<std::string>& arguments, int code,
                                 const std::string& part) const {
    const auto ended = run_refluxd(arguments);
    EXPECT_EQ(ended.code, code) << ended.output;
    EXPECT_THAT(ended.output, AllOf(testing::StartsWith("refluxd: "), HasSubstr(part)));
    EXPECT_EQ(std::count(ended.output.begin(), ended.output.end(), '\n'), 1) << ended.output;
    EXPECT_FALSE(is_mounted());
    EXPECT_FALSE(files::exists(socket_) && files::is_socket(socket_));
}

}  // namespace reflux::test
