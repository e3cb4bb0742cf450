// The front end ublk in a guest: ublk_guest.sh beside this. With --long the daemon is killed 20 times under
// load. REFLUX_VM_KERNEL names another kernel than 6.12; it must have zoned ublk (6.6).
#include "tests/integration/support/reflux_run.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class VmUblkTest : public RefluxTest {};

TEST_F(VmUblkTest, DisksAreServedRecoveredAndDeleted) {
    const char* const named = std::getenv("REFLUX_VM_KERNEL");
    const std::string events =
        events_in_guest(fmt::format("sh {}/tests/vm/ublk_guest.sh {} {}", REFLUX_SOURCE_DIR, REFLUX_BUILD_DIR,
                                    is_long() ? 20 : 2),
                        Seconds(580), named != nullptr ? named : "6.12");
    for (const char* name : {"zoned", "many_zones", "zbd", "recovery", "another_image_does_not_recover",
                             "failed_recovery", "filesystems", "translated", "queues", "deletion"}) {
        EXPECT_THAT(events, HasSubstr(fmt::format("ublk ok: {}", name)));
    }
    EXPECT_THAT(events, Not(HasSubstr("ublk FAILED")));
}

}  // namespace
}  // namespace reflux::test
