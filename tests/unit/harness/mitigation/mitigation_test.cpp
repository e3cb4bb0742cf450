#include "harness/mitigation/mitigation.h"

#include "tests/support/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::mitigation {
namespace {

using testing::HasSubstr;

// A materialised /proc with one process.
class ReadBackTest : public testing::Test {
  protected:
    ReadBackTest() {
        daemon_ = {
            .proc = proc_.path(), .pid = 100, .pressed_cgroup = "/sys/fs/cgroup/memory/reflux-run/pressed"};
    }

    void add_thread(int tid, std::uint64_t flags) {
        proc_.write(
            fmt::format("100/task/{}/stat", tid),
            fmt::format("{} (refluxd-io) S 1 1 1 0 -1 {} 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n", tid, flags));
    }
    void set_cgroup(const std::string& text) { proc_.write("100/cgroup", text); }
    [[nodiscard]] evidence::Mitigation read_back(const std::string& name) const {
        const auto row = find(name);
        return row->read_back(*row, daemon_);
    }

    test::TemporaryFolder proc_;
    Daemon daemon_;
};

TEST_F(ReadBackTest, IoFlusherHoldsOnlyWhenEveryThreadIsMarked) {
    add_thread(100, 0x580140);
    add_thread(101, 0x580140);
    EXPECT_TRUE(read_back("io_flusher").applied);
    add_thread(102, 0x400140);
    const auto late = read_back("io_flusher");
    EXPECT_FALSE(late.applied);
    EXPECT_THAT(late.detail, HasSubstr("102"));
}

TEST_F(ReadBackTest, HalfOfTheFlagsIsNotTheMark) {
    add_thread(100, 0x480140);  // PF_MEMALLOC_NOIO alone
    EXPECT_FALSE(read_back("io_flusher").applied);
}

TEST_F(ReadBackTest, ADaemonThatIsGoneIsNotMarked) {
    EXPECT_FALSE(read_back("io_flusher").applied);
}

TEST_F(ReadBackTest, OwnCgroupHoldsOutsideOfTheLimitedOne) {
    set_cgroup("4:memory:/reflux-run/apart\n0::/\n");
    EXPECT_TRUE(read_back("own_cgroup").applied);
    set_cgroup("4:memory:/reflux-run/pressed\n0::/\n");
    EXPECT_FALSE(read_back("own_cgroup").applied);
    set_cgroup("0::/\n");
    EXPECT_FALSE(read_back("own_cgroup").applied);
}

TEST(Table, UnknownNamesAreToldWhatThereIs) {
    const auto row = find("io_flush");
    ASSERT_FALSE(row);
    EXPECT_EQ(row.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(row.error().message, HasSubstr("io_flusher"));
}

TEST(Table, OnlySomeMitigationsAreOfPrograms) {
    EXPECT_TRUE(find_for_programs("io_flusher"));
    for (const std::string name : {"own_cgroup", "io_flush"}) {
        const auto row = find_for_programs(name);
        ASSERT_FALSE(row);
        EXPECT_EQ(row.error().kind, ErrorKind::invalid_input);
        EXPECT_THAT(row.error().message, HasSubstr("'" + name + "'"));
        EXPECT_THAT(row.error().message, testing::EndsWith("can be started with: io_flusher"));
    }
}

}  // namespace
}  // namespace reflux::mitigation
