#include "backend/base/kernel_file.h"

#include "backend/base/mountinfo.h"
#include "backend/base/task_stat.h"
#include "tests/support/temporary_folder.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class KernelFileTest : public testing::Test {
  protected:
    test::TemporaryFolder folder_;
};

TEST_F(KernelFileTest, ReplacesAndReads) {
    const std::string path = folder_ / "file";
    ASSERT_TRUE(replace_file(path, "one\n"));
    ASSERT_TRUE(replace_file(path, "42\n"));
    EXPECT_EQ(*read_file(path), "42\n");
    EXPECT_EQ(*read_number(path), 42U);
    EXPECT_THAT(*list_directory(folder_.path()), ElementsAre("file"));
}

TEST_F(KernelFileTest, ErrorsNameThePath) {
    const std::string path = folder_ / "missing";
    const auto text = read_file(path);
    ASSERT_FALSE(text);
    EXPECT_THAT(text.error().message, HasSubstr(path));
    EXPECT_EQ(text.error().errnum, ENOENT);
    EXPECT_FALSE(write_file(path, "1"));
    EXPECT_FALSE(std::filesystem::exists(path)) << "a pseudo-file is never made";
    EXPECT_FALSE(list_directory(path));
}

TEST_F(KernelFileTest, TextHelpers) {
    EXPECT_EQ(trimmed("v1 \n"), "v1");
    EXPECT_EQ(trimmed(" \n"), "");
    EXPECT_THAT(split("a  b c", ' '), ElementsAre("a", "b", "c"));
    EXPECT_THAT(split("", ' '), ElementsAre());
    EXPECT_THAT(lines_of("one\n\ntwo"), ElementsAre("one", "two"));
}

TEST(TaskStat, ReadsNamesWithBlanksAndParentheses) {
    const auto stat = parse_task_stat(
        "4711 (a) b (c) D 1 4711 4711 0 -1 1077936192 10 0 0 0 7 5 0 0 20 0 3 0 123456 1000 200 "
        "18446744073709551615");
    ASSERT_TRUE(stat) << stat.error().message;
    EXPECT_EQ(stat->name, "a) b (c");
    EXPECT_EQ(stat->state, 'D');
    EXPECT_EQ(stat->flags, 1077936192U);
    EXPECT_EQ(stat->cpu_ticks, 12U);
    EXPECT_EQ(stat->start_time, 123456U);
}

TEST(Mountinfo, ReadsOptionalTagsAndEscapes) {
    const auto mounts = parse_mountinfo(
        "36 35 98:0 / /mnt/a\\040b rw,noatime shared:1 master:2 - fuse.reflux refluxd rw,user_id=0\n"
        "torn line\n"
        "37 35 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    ASSERT_EQ(mounts.size(), 2U);
    EXPECT_EQ(mounts[0].device, "98:0");
    EXPECT_EQ(mounts[0].mount_point, "/mnt/a b");
    EXPECT_EQ(mounts[0].filesystem, "fuse.reflux");
    EXPECT_EQ(mounts[1].super_options, "rw,memory");
}

TEST(TaskStat, RefusesWhatIsNoStatLine) {
    for (const char* text : {"", "1 comm R", "1 (x) R 1 2 3", ") 1 ("}) {
        EXPECT_FALSE(parse_task_stat(text)) << text;
    }
}

}  // namespace
}  // namespace reflux
