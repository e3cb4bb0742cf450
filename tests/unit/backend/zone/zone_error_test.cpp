#include "backend/zone/zone_error.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace reflux {
namespace {

TEST(ZoneErrors, BecomeErrnoValues) {
    EXPECT_EQ(errno_of(ZoneError::none), 0);
    EXPECT_EQ(errno_of(ZoneError::out_of_range), ENOSPC);
    EXPECT_EQ(errno_of(ZoneError::unaligned_write), EIO);
    EXPECT_EQ(errno_of(ZoneError::offline), EIO);
    EXPECT_EQ(errno_of(ZoneError::too_many_open), ETOOMANYREFS);
    EXPECT_EQ(errno_of(ZoneError::too_many_active), EOVERFLOW);
}

// The numbers of SPC-5, annex "Additional sense codes", by hand.
TEST(ZoneErrors, AreTheStandardsSense) {
    const auto sense = [](int key, int asc, int ascq) {
        return Sense{.key = static_cast<std::uint8_t>(key),
                     .asc = static_cast<std::uint8_t>(asc),
                     .ascq = static_cast<std::uint8_t>(ascq)};
    };
    EXPECT_EQ(sense_of(ZoneError::none), sense(0, 0, 0));
    EXPECT_EQ(sense_of(ZoneError::out_of_range), sense(5, 0x21, 0)) << "LOGICAL BLOCK ADDRESS OUT OF RANGE";
    EXPECT_EQ(sense_of(ZoneError::unaligned_write), sense(5, 0x21, 4)) << "UNALIGNED WRITE COMMAND";
    EXPECT_EQ(sense_of(ZoneError::write_boundary_violation), sense(5, 0x21, 5)) << "WRITE BOUNDARY VIOLATION";
    EXPECT_EQ(sense_of(ZoneError::read_invalid_data), sense(5, 0x21, 6)) << "ATTEMPT TO READ INVALID DATA";
    EXPECT_EQ(sense_of(ZoneError::read_boundary_violation), sense(5, 0x21, 7)) << "READ BOUNDARY VIOLATION";
    EXPECT_EQ(sense_of(ZoneError::gap), sense(5, 0x21, 9)) << "ATTEMPT TO ACCESS GAP ZONE";
    EXPECT_EQ(sense_of(ZoneError::invalid_field), sense(5, 0x24, 0)) << "INVALID FIELD IN CDB";
    EXPECT_EQ(sense_of(ZoneError::read_only), sense(7, 0x27, 8)) << "ZONE IS READ ONLY";
    EXPECT_EQ(sense_of(ZoneError::offline), sense(7, 0x2c, 0xe)) << "ZONE IS OFFLINE";
    EXPECT_EQ(sense_of(ZoneError::too_many_open), sense(7, 0x55, 0xe)) << "INSUFFICIENT ZONE RESOURCES";
    EXPECT_EQ(sense_of(ZoneError::too_many_active), sense(7, 0x55, 0xe));
}

}  // namespace
}  // namespace reflux
