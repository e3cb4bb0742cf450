// The zone model against the kernel's own zoned devices, in a guest: zone_oracle.cpp beside this.
// REFLUX_VM_KERNEL names another kernel than 6.1.
#include "backend/base/kernel_file.h"
#include "tests/integration/support/reflux_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class VmZoneOracleTest : public RefluxTest {};

// Capacity below zone size, limits, large blocks, a last zone that is smaller.
constexpr const char* devices = R"(
oracle=)" REFLUX_BUILD_DIR R"(/tests/zone_oracle
modprobe null_blk nr_devices=1 zoned=1 gb=1 zone_size=64 zone_capacity=1 zone_nr_conv=2 zone_max_open=3
"$oracle" /dev/nullb0 OPERATIONS
rmmod null_blk
modprobe null_blk nr_devices=1 zoned=1 gb=1 zone_size=64 zone_capacity=1 zone_nr_conv=1 zone_max_active=5 bs=4096
"$oracle" /dev/nullb0 OPERATIONS
rmmod null_blk
modprobe sd_mod
modprobe scsi_debug zbc=host-managed dev_size_mb=33 zone_size_mb=2 zone_nr_conv=2 zone_max_open=3 ndelay=1000
for i in $(seq 100); do [ ! -b /dev/sda ] || break; sleep 0.1; done
"$oracle" /dev/sda OPERATIONS
rmmod scsi_debug
modprobe scsi_debug zbc=host-managed dev_size_mb=32 zone_size_mb=1 zone_nr_conv=1 sector_size=4096 ndelay=1000
for i in $(seq 100); do [ ! -b /dev/sda ] || break; sleep 0.1; done
"$oracle" /dev/sda OPERATIONS
rmmod scsi_debug
)";

std::vector<std::string> lines_with(const std::string& text, const std::string& part) {
    auto lines = lines_of(text);
    std::erase_if(lines, [&](const std::string& line) { return line.find(part) == std::string::npos; });
    return lines;
}

TEST_F(VmZoneOracleTest, NullBlkAndScsiDebugAnswerAlike) {
    std::string setup = devices;
    const std::string count = is_long() ? "8000" : "1000";
    for (auto at = setup.find("OPERATIONS"); at != std::string::npos; at = setup.find("OPERATIONS")) {
        setup.replace(at, std::string("OPERATIONS").size(), count);
    }
    const std::string events = events_in_guest(setup, Seconds(500));
    // A line a run, each of the device that was set up for it.
    EXPECT_THAT(lines_with(events, "operations alike"),
                ElementsAre(AllOf(HasSubstr("/dev/nullb0: " + count + " "), HasSubstr("blocks of 512,"),
                                  HasSubstr("max_open 3,")),
                            AllOf(HasSubstr("/dev/nullb0: " + count + " "), HasSubstr("blocks of 4096,"),
                                  HasSubstr("max_active 5;")),
                            AllOf(HasSubstr("/dev/sda: " + count + " "), HasSubstr("blocks of 512,"),
                                  HasSubstr("max_open 3,")),
                            AllOf(HasSubstr("/dev/sda: " + count + " "), HasSubstr("blocks of 4096,"))));
    EXPECT_THAT(events, Not(HasSubstr("zone_oracle: ")));
}

}  // namespace
}  // namespace reflux::test
