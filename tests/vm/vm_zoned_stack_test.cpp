// dm-zoned by the harness' own functions on zoned block devices of the kernel, without a daemon below, in a
// guest. The script beside this says what is done. REFLUX_VM_KERNEL names another kernel than 6.1.
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
    // What held, in a guest, according to a script of this folder, which ends at the first thing that did
    // not.
    [[nodiscard]] std::vector<std::string> held(const std::string& script, const std::string& arguments = "",
                                                const std::string& kernel = vm_kernel()) const {
        const std::string events = events_in_guest(
            fmt::format("bash {}/tests/vm/{} {} {}", REFLUX_SOURCE_DIR, script, REFLUX_BUILD_DIR, arguments),
            Seconds(580), kernel);
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
        held("dm_zoned.sh"),
        ElementsAre("status: 0 917504 zoned 128 zones 0/0 cache 10/10 random 102/102 sequential",
                    "format refused on a device in use", StartsWith("reclaim moved chunks: "),
                    "80 MiB and 40 writes out of order read back from another mapping", "ext4 on dm-zoned",
                    "xfs on dm-zoned", "f2fs on dm-zoned", "found and removed without its note",
                    "another's mapping of that name is left alone",
                    "escape, the device below stuck: undone, escaped",
                    AllOf(StartsWith("orderly, the device below stuck: "), HasSubstr("undone")),
                    "escape, the disk below fails and no zone is free"));
}

// By unmodified tools: blkzone, zbd, fio, zonefs, sg3-utils. The script has the reason of each difference.
TEST_F(VmZonedStackTest, RefluxdsScsiDiskAnswersAsThoseOfTheKernel) {
    EXPECT_THAT(held("zoned_conformance.sh", "null_blk scsi_debug tcmu"),
                ElementsAre(StartsWith("scsi_debug answers as null_blk does"),
                            StartsWith("tcmu answers as null_blk does")));
}

TEST_F(VmZonedStackTest, RefluxdsUblkDiskAnswersAsThatOfTheKernel) {
    EXPECT_THAT(held("zoned_conformance.sh", "null_blk ublk", "6.12"),
                ElementsAre(StartsWith("ublk answers as null_blk does")));
}

TEST_F(VmZonedStackTest, FilesystemsThatKnowZonesAreMadeAndMounted) {
    EXPECT_THAT(held("zoned_filesystems.sh"),
                ElementsAre(StartsWith("f2fs"), StartsWith("btrfs"), StartsWith("zonefs")));
}

}  // namespace
}  // namespace reflux::test
