// What stands on zoned block devices in a guest, without a daemon below: dm-zoned and filesystems that know
// zones, both by the harness' own functions, and the answers of the kernel's devices to unmodified tools. The
// scripts beside this say what is done. REFLUX_VM_KERNEL names another kernel than 6.1.
#include "backend/base/kernel_file.h"
#include "tests/integration/support/reflux_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class VmZonedStackTest : public RefluxTest {
  protected:
    // What held, in a guest, according to scripts of this folder; they end at the first thing that did not.
    [[nodiscard]] std::vector<std::string> held(const std::vector<std::string>& scripts, Seconds time) const {
        std::string command = "set -e";
        for (const auto& script : scripts) {
            command += fmt::format("\nbash {}/tests/vm/{} {}", REFLUX_SOURCE_DIR, script, REFLUX_BUILD_DIR);
        }
        const std::string events = events_in_guest(command, time);
        std::vector<std::string> lines;
        for (const auto& line : lines_of(events)) {
            if (const auto at = line.find("@out held: "); at != std::string::npos) {
                lines.push_back(line.substr(at + 11));
            }
        }
        return lines;
    }
};

TEST_F(VmZonedStackTest, DmZonedIsFormattedMappedAndUndone) {
    EXPECT_THAT(
        held({"dm_zoned.sh"}, Seconds(580)),
        ElementsAre("status: 0 917504 zoned 128 zones 0/0 cache 10/10 random 102/102 sequential",
                    "format refused on a device in use", StartsWith("reclaim moved chunks: "),
                    "80 MiB and 40 writes out of order read back from another mapping", "ext4 on dm-zoned",
                    "xfs on dm-zoned", "f2fs on dm-zoned", "found and removed without its note",
                    "another's mapping of that name is left alone",
                    "escape, the device below stuck: undone, escaped",
                    AllOf(StartsWith("orderly, the device below stuck: "), HasSubstr("undone")),
                    "escape, the disk below fails and no zone is free"));
}

TEST_F(VmZonedStackTest, FilesystemsThatKnowZonesAndTheKernelsDevices) {
    EXPECT_THAT(held({"zoned_filesystems.sh", "zoned_conformance.sh"}, Seconds(580)),
                ElementsAre("zonefs on a zoned device", "f2fs on a zoned device", "btrfs on a zoned device",
                            StartsWith("scsi_debug answers as null_blk does")));
}

}  // namespace
}  // namespace reflux::test
