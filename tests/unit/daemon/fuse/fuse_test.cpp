#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "backend/zoned_device.h"
#include "daemon/fuse/mount_point.h"
#include "daemon/fuse/operations.h"
#include "daemon/fuse/reader.h"
#include "daemon/fuse/request_pool.h"
#include "tests/support/temporary_folder.h"

#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::fuse {
namespace {

using testing::HasSubstr;

constexpr const char* mountinfo =
    "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
    "30 22 0:40 / /mnt/a\\040b rw - fuse.reflux refluxd rw,user_id=0\n"
    "31 22 0:41 / /mnt/x rw,nosuid shared:5 master:1 - tmpfs tmpfs rw\n"
    "32 31 7:0 / /mnt/x rw - ext4 /dev/loop0 rw\n"
    "garbage\n";

TEST(FindMount, GivesTheMountOnTop) {
    EXPECT_EQ(find_mount(mountinfo, "/mnt/x"), (MountEntry{.id = "32", .device = "7:0", .type = "ext4"}));
    EXPECT_EQ(find_mount(mountinfo, "/mnt/a b"),
              (MountEntry{.id = "30", .device = "0:40", .type = "fuse.reflux"}));
    EXPECT_FALSE(find_mount(mountinfo, "/mnt"));
    EXPECT_FALSE(find_mount("", "/"));
}

TEST(CheckMountPoint, TakesADirectoryAndNamesWhatElseItIs) {
    const test::TemporaryFolder place;
    const std::string folder = std::filesystem::canonical(place.path()).string();
    const auto refused = [](const std::string& path) {
        const auto checked = check_mount_point(path);
        if (checked) {
            return "accepted " + *checked;
        }
        EXPECT_EQ(checked.error().kind, ErrorKind::invalid_input) << checked.error().message;
        return checked.error().message;
    };
    EXPECT_EQ(refused(folder), "accepted " + folder);
    EXPECT_EQ(refused(folder + "/"), "accepted " + folder);
    EXPECT_EQ(refused(folder + "/../" + folder.substr(folder.rfind('/') + 1)), "accepted " + folder);
    EXPECT_THAT(refused(folder + "/none"), HasSubstr("does not exist"));
    EXPECT_THAT(refused(folder + "/none/none"), HasSubstr("does not exist"));
    ASSERT_TRUE(replace_file(folder + "/file", ""));
    EXPECT_THAT(refused(folder + "/file"), HasSubstr("not a directory"));
    std::filesystem::create_directory_symlink(folder, folder + "/link");
    EXPECT_THAT(refused(folder + "/link"), HasSubstr("symbolic link"));
    EXPECT_THAT(refused("/proc"), testing::AllOf(HasSubstr("busy"), HasSubstr("umount")));
    EXPECT_THAT(refused("/"), HasSubstr("cannot be used"));
}

TEST(RequestPool, LendsEachRequestOnceWithMemoryOfItsOwn) {
    auto pool = RequestPool::make(2, 8192);
    ASSERT_TRUE(pool);
    FuseRequest& one = (*pool)->take();
    FuseRequest& two = (*pool)->take();
    EXPECT_NE(&one, &two);
    for (const FuseRequest* request : {&one, &two}) {
        EXPECT_EQ(request->message.size(), transfer_header + 8192);
        EXPECT_EQ(request->data.size(), 8192U);
        EXPECT_EQ(request->message.data() + transfer_header, request->data.data());
        // NOLINTNEXTLINE(*-reinterpret-cast): it is only looked at
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(request->data.data()) % 4096, 0U) << "as O_DIRECT wants";
    }
    EXPECT_TRUE(one.message.data() + one.message.size() <= two.message.data() ||
                two.message.data() + two.message.size() <= one.message.data());
    std::jthread giver([&] { (*pool)->give_back(one); });
    FuseRequest& again = (*pool)->take();  // waits for the giver
    EXPECT_EQ(&again, &one);
}

// A session that is mounted nowhere: there is nothing to read from.
TEST(MoreReaders, OneThatFailsRequestsTheStopAndItsErrorIsKept) {
    const test::TemporaryFolder folder;
    const auto geometry =
        ZonedGeometry::make({.size = {8 << 20}, .zone_size = {1 << 20}, .conventional = 8}).value();
    ASSERT_TRUE(format_image(folder / "image", geometry, false));
    const auto disk = ZonedDevice::open(folder / "image", {});
    ASSERT_TRUE(disk) << disk.error().message;
    const auto pool = RequestPool::make(2, 4096);
    ASSERT_TRUE(pool);
    fuse_args arguments{};
    ASSERT_EQ(fuse_opt_add_arg(&arguments, "test"), 0);
    const std::unique_ptr<fuse_session, void (*)(fuse_session*)> session(
        fuse_session_new(&arguments, &operations(), sizeof(fuse_lowlevel_ops), nullptr),
        fuse_session_destroy);
    fuse_opt_free_args(&arguments);
    ASSERT_TRUE(session);
    const auto stop = StopSource::make();
    ASSERT_TRUE(stop);
    const auto interruption = StopSource::Interruption::make(**stop);
    ASSERT_TRUE(interruption);
    const View view{.tree = {}, .disk = **disk, .zones = **disk};
    MoreReaders readers(**stop);
    ASSERT_TRUE(readers.start(2, session.get(), view, **pool));
    EXPECT_TRUE(wait_readable((*stop)->fd(), Seconds(10)).value_or(false));
    EXPECT_TRUE((*stop)->requested());
    const auto ended = readers.end();
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().errnum, EBADF) << ended.error().message;
}

}  // namespace
}  // namespace reflux::fuse
