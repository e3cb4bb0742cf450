// refluxd's front end tcmu on a real kernel, in a guest: the disk as SCSI and zone tools see it, the same
// commands as answered by stock tcmu-runner, and kill -9 under load. The scripts beside this (tcmu/) run in
// the guest. REFLUX_VM_KERNEL names another kernel than 6.1.
#include "backend/base/kernel_file.h"
#include "tests/integration/support/reflux_run.h"
#include "tests/support/documented_keys.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class VmTcmuTest : public RefluxTest {
  protected:
    // What a script printed in the guest.
    [[nodiscard]] std::string run_script(const std::string& name, const std::string& arguments,
                                         Seconds time) const {
        return events_in_guest(fmt::format("bash {0}/tests/vm/tcmu/{1} {2}/refluxd {3} 2>&1",
                                           REFLUX_SOURCE_DIR, name, REFLUX_BUILD_DIR, arguments),
                               time);
    }
};

// The texts stand in the output in this order.
void expect_in_order(const std::string& output, const std::vector<std::string>& texts) {
    std::size_t at = 0;
    for (const std::string& text : texts) {
        const auto found = output.find(text, at);
        ASSERT_NE(found, std::string::npos) << "no '" << text << "' in what is left:\n" << output.substr(at);
        at = found + text.size();
    }
}

TEST_F(VmTcmuTest, DisksOfEachKindAsTheKernelAndToolsSeeThem) {
    const std::string output = run_script("disk.sh", "", Seconds(400));
    expect_in_order(output, {"managed: host-managed 64 zones, write back, blocks of 512",
                             "Product identification: refluxd",
                             "5e41a1b2-0000-4000-8000-000000000001",
                             "lbpme=1, lbprz=1",
                             "Last LBA=524287",
                             "URSWRZ: 1",
                             "required zones: 8",
                             "4    Zone type: Conventional",
                             "1    Zone type: Sequential write required",
                             "lines of opcodes: ",
                             "zone 5: oi 0x001000",
                             "read back alike",
                             "Add. Sense: Unaligned write command",
                             "zone 5: em 0x000000",
                             "zone 5: oe 0x000000",
                             "zone 5: em 0x000000",
                             "zone 5: fu",
                             "zone 5: em 0x000000",
                             "zone 6: fu",
                             "zone 6: em 0x000000",
                             "bytes after the discard: 0",
                             "managed: refluxd ended with 0",
                             "blocks of 4096",
                             "aware: refluxd ended with 0",
                             "translated: none",
                             "ext4: alike",
                             "translated: refluxd ended with 0",
                             "conventional: none 0 zones",
                             "conventional: refluxd ended with 0"});
}

// docs/tcmu.md has the reason of each difference.
TEST_F(VmTcmuTest, StockTcmuRunnerAnswersAlikeButWhereItIsSaidWhy) {
    const std::string output = run_script("compare.sh", "", Seconds(400));
    const auto documented =
        documented_keys(REFLUX_SOURCE_DIR "/docs/tcmu.md", "Where stock tcmu-runner answers otherwise");
    std::set<std::string> differing;
    for (const std::string& line : lines_of(output)) {
        constexpr std::string_view mark = "differs: ";
        if (const auto at = line.find(mark); at != std::string::npos) {
            differing.insert(line.substr(at + mark.size()));
        }
    }
    EXPECT_EQ(differing, std::set<std::string>(documented.begin(), documented.end())) << output;
    EXPECT_THAT(output, testing::ContainsRegex("alike: [6-9][0-9]"));
    EXPECT_THAT(output, Not(HasSubstr("compare: ")));
}

void expect_nothing_lost(const std::string& output, const std::string& engine, int times) {
    EXPECT_THAT(output,
                AllOf(HasSubstr(fmt::format("{}: killed {} times, I/O goes on", engine, times)),
                      HasSubstr(engine + ": all data as they were"),
                      HasSubstr(fmt::format("{}: write pointers kept: {}", engine, times)),
                      HasSubstr(fmt::format("{}: full zones: {}", engine, times)),
                      HasSubstr(engine + ": another image is refused"),
                      HasSubstr(engine + ": refluxd ended with 0"), Not(HasSubstr(engine + ": left: ")),
                      Not(HasSubstr(engine + ": log: ")), Not(HasSubstr("kill: "))));
}

TEST_F(VmTcmuTest, AfterAKillIoGoesOnAndNothingIsLost) {
    const std::string output = run_script("kill.sh", "2 sync threads", Seconds(400));
    expect_nothing_lost(output, "sync", 2);
    expect_nothing_lost(output, "threads", 2);
}

class VmTcmuKillTest : public VmTcmuTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Engines, VmTcmuKillTest, testing::Values("sync", "threads", "uring"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(VmTcmuKillTest, AfterTwentyKillsIoGoesOnAndNothingIsLost) {
    REFLUX_LONG_TEST();
    const std::string output = run_script("kill.sh", fmt::format("20 {}", GetParam()), Seconds(560));
    expect_nothing_lost(output, GetParam(), 20);
}

}  // namespace
}  // namespace reflux::test
