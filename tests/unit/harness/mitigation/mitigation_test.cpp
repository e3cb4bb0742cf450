#include "harness/mitigation/mitigation.h"

#include "tests/support/temporary_folder.h"

#include <set>

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

    void add_thread(int tid, std::uint64_t flags, std::string_view name = "refluxd-io") {
        proc_.write(
            fmt::format("100/task/{}/stat", tid),
            fmt::format("{} ({}) S 1 1 1 0 -1 {} 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n", tid, name, flags));
    }
    void set_cgroup(const std::string& text) { proc_.write("100/cgroup", text); }
    [[nodiscard]] evidence::Mitigation read_back(const std::string& name) const {
        const auto row = find(name);
        return row->read_back(*row, daemon_);
    }

    test::TemporaryFolder proc_;
    Target daemon_;
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

TEST_F(ReadBackTest, AMarkOfAllThatDoIoIsNotLate) {
    add_thread(100, 0x580140);
    EXPECT_THAT(read_back("io_flusher_late").detail, HasSubstr("not late"));
}

TEST_F(ReadBackTest, ALateMarkNamesWhoHasItNot) {
    add_thread(100, 0x400140);
    add_thread(101, 0x400140);
    EXPECT_FALSE(read_back("io_flusher_late").applied) << "nobody is marked";
    add_thread(101, 0x580140);
    EXPECT_FALSE(read_back("io_flusher_late").applied) << "that is not the main thread";
    add_thread(100, 0x580140);
    add_thread(101, 0x400140);
    const auto late = read_back("io_flusher_late");
    EXPECT_TRUE(late.applied);
    EXPECT_THAT(late.detail, HasSubstr("unmarked: 101 (refluxd-io)"));
}

TEST_F(ReadBackTest, TheWorkersOfAPoolDoIo) {
    add_thread(100, 0x580140, "refluxd-fuse");
    add_thread(101, 0x400140, "refluxd-io/0");
    add_thread(102, 0x400140, "refluxd-ctl");
    const auto late = read_back("io_flusher_late");
    EXPECT_TRUE(late.applied) << late.detail;
    EXPECT_THAT(late.detail, HasSubstr("101 (refluxd-io/0)"));
}

TEST_F(ReadBackTest, AScopeThatFailedOnceWasNotInForce) {
    daemon_.status = R"({"io":{"calls":{"scopes":["io_flusher"],"scoped":70,"scope_failures":0}}})";
    EXPECT_TRUE(read_back("per_call").applied);
    daemon_.status = R"({"io":{"calls":{"scopes":["io_flusher"],"scoped":70,"scope_failures":1}}})";
    const auto failed = read_back("per_call");
    EXPECT_FALSE(failed.applied);
    EXPECT_THAT(failed.detail, HasSubstr("1 without it"));
    for (const std::string status :
         {R"({"io":{"calls":{"scopes":["io_flusher"],"scoped":0,"scope_failures":0}}})",
          R"({"io":{"calls":{"scopes":["nofs"],"scoped":70,"scope_failures":0}}})", R"({"io":{}})", "",
          "[]"}) {
        daemon_.status = status;
        EXPECT_FALSE(read_back("per_call").applied) << status;
    }
}

TEST_F(ReadBackTest, AFlagHoldsWhenCallsAreMadeWithIt) {
    daemon_.status = R"({"io":{"calls":{"flags":["nowait"],"flagged":9,"fallbacks":4}}})";
    const auto nowait = read_back("rwf_nowait");
    EXPECT_TRUE(nowait.applied);
    EXPECT_THAT(nowait.detail, HasSubstr("9 calls with nowait, 4 of them refused"));
    EXPECT_FALSE(read_back("rwf_dontcache").applied);
    daemon_.status = R"({"io":{"calls":{"flags":["nowait"],"flagged":0}}})";
    EXPECT_FALSE(read_back("rwf_nowait").applied);
}

TEST_F(ReadBackTest, BoundsHoldAsTheyWereAskedFor) {
    daemon_.status = R"({"io":{"calls":{"sync_range":262144,"bounded":3,"bound_failures":0}}})";
    EXPECT_TRUE(read_back("sync_range").applied);
    EXPECT_FALSE(read_back("fdatasync_every").applied);
    daemon_.status = R"({"io":{"calls":{"sync_range":4096,"bounded":3,"bound_failures":0}}})";
    EXPECT_FALSE(read_back("sync_range").applied);
    daemon_.status = R"({"io":{"calls":{"fdatasync_every":8,"bounded":3,"bound_failures":2}}})";
    EXPECT_THAT(read_back("fdatasync_every").detail, HasSubstr("2 of 3"));
}

TEST_F(ReadBackTest, ODirectIsOnADescriptor) {
    EXPECT_FALSE(read_back("o_direct").applied);
    proc_.write("100/fdinfo/4", "pos:\t0\nflags:\t0100002\nmnt_id:\t1\n");
    EXPECT_FALSE(read_back("o_direct").applied);
    proc_.write("100/fdinfo/5", "pos:\t0\nflags:\t0140002\nmnt_id:\t1\n");
    EXPECT_TRUE(read_back("o_direct").applied);
}

TEST_F(ReadBackTest, LockedMemoryIsVmLck) {
    proc_.write("100/status", "Name:\trefluxd\nVmLck:\t       0 kB\n");
    EXPECT_FALSE(read_back("mlock").applied);
    proc_.write("100/status", "Name:\trefluxd\nVmLck:\t   20480 kB\n");
    EXPECT_THAT(read_back("mlock").detail, HasSubstr("20480 kB"));
    EXPECT_TRUE(read_back("mlock").applied);
}

TEST_F(ReadBackTest, WhatWasWrittenIsReadAgain) {
    proc_.write("100/oom_score_adj", "0\n");
    const auto refused = read_back("oom_protect");
    EXPECT_FALSE(refused.applied);
    EXPECT_THAT(refused.detail, HasSubstr("is 0, not -1000"));
    proc_.write("100/oom_score_adj", "-1000\n");
    EXPECT_TRUE(read_back("oom_protect").applied);
    daemon_.sys = proc_.path();
    daemon_.lower_device = "7:3";
    EXPECT_THAT(read_back("bdi_max_ratio").detail, HasSubstr("there is no"));
    proc_.write("class/bdi/7:3/max_ratio", "1\n");
    proc_.write("class/bdi/7:3/strict_limit", "0\n");
    EXPECT_TRUE(read_back("bdi_max_ratio").applied);
    EXPECT_FALSE(read_back("bdi_strict_limit").applied);
    daemon_.pressed_cgroup = proc_ / "cgroup";
    daemon_.daemon_cgroup = proc_ / "cgroup/daemon";
    proc_.write("cgroup/daemon/memory.min", "33554432\n");
    proc_.write("cgroup/memory.max", "max\n");
    EXPECT_THAT(read_back("memory_min").detail, HasSubstr("nothing is limited"));
    proc_.write("cgroup/memory.max", "67108864\n");
    EXPECT_TRUE(read_back("memory_min").applied);
    proc_.write("sys/fs/fuse/default_request_timeout", "0\n");
    EXPECT_FALSE(read_back("request_timeout").applied);
    proc_.write("sys/fs/fuse/default_request_timeout", "15\n");
    EXPECT_TRUE(read_back("request_timeout").applied);
    daemon_.lower_mount = "/proc";  // the one mount that every machine has
    EXPECT_THAT(read_back("lower_xfs").detail, HasSubstr("proc at /proc"));
    EXPECT_FALSE(read_back("lower_xfs").applied);
}

// What outlives a run must be put back; what does not must not be: another process may have the number.
TEST_F(ReadBackTest, OnlyWhatOutlivesTheRunIsPutBack) {
    daemon_.sys = proc_.path();
    daemon_.lower_device = "7:3";
    proc_.write("class/bdi/7:3/max_ratio", "1\n");
    proc_.write("class/bdi/7:3/strict_limit", "1\n");
    daemon_.pressed_cgroup = proc_ / "cgroup";
    proc_.write("cgroup/memory.max", "67108864\n");
    for (const auto& row : table()) {
        for (const auto& settings : {row.before, row.settings}) {
            const auto written = settings ? settings(daemon_) : Result<std::vector<Setting>>();
            ASSERT_TRUE(written) << row.name;
            for (const auto& setting : *written) {
                EXPECT_EQ(setting.outlives_run, row.place == Place::bdi || row.place == Place::sysctl)
                    << row.name;
                // A sysctl is everybody's: it does not stay for the time of a run.
                EXPECT_EQ(setting.until_stack, row.place == Place::sysctl) << row.name;
                EXPECT_FALSE(setting.until_stack && row.settings) << row.name;
            }
        }
    }
}

TEST(Table, RowsAreWhole) {
    std::set<std::string> names;
    for (const auto& row : table()) {
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
        EXPECT_FALSE(row.description.empty()) << row.name;
        EXPECT_TRUE(row.read_back) << row.name << " could be asked for and not be in force";
        for (const auto& other : row.excludes) {
            EXPECT_TRUE(find(other)) << row.name;
        }
    }
    EXPECT_EQ(place_and_needs(*find("per_call")), "each call; needs CAP_SYS_RESOURCE");
    EXPECT_EQ(place_and_needs(*find("o_direct")), "daemon");
    EXPECT_THAT(place_and_needs(*find("memory_min")), HasSubstr("needs cgroup v2"));
}

TEST(Table, CombinationsAreTakenApart) {
    const auto rows = find_all({"o_direct+mlock", "own_cgroup"});
    ASSERT_TRUE(rows) << rows.error().message;
    ASSERT_EQ(rows->size(), 3U);
    EXPECT_EQ((*rows)[1].name, "mlock");
    const auto error_of = [](const std::vector<std::string>& list) {
        const auto refused = find_all(list);
        return refused ? "accepted" : refused.error().message;
    };
    EXPECT_THAT(error_of({"mlock", "o_direct+mlock"}), HasSubstr("twice"));
    EXPECT_THAT(error_of({"per_call+io_flusher"}), HasSubstr("exclude each other"));
    EXPECT_THAT(error_of({"io_flusher", "io_flusher_late"}), HasSubstr("exclude each other"));
    EXPECT_THAT(error_of({"lower_xfs+lower_btrfs"}), HasSubstr("exclude each other"));
    EXPECT_THAT(error_of({"mlock+swap"}), HasSubstr("unknown mitigation 'swap'"));
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
