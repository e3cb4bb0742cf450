#include "backend/zone/zone_error.h"

#include <array>
#include <cerrno>
#include <cstddef>

namespace reflux {
namespace {

constexpr std::uint8_t illegal_request = 0x5;
constexpr std::uint8_t data_protect = 0x7;

struct Row {
    ZoneError error;
    std::string_view text;
    Sense sense;
    int errnum;
};

constexpr std::array<Row, 12> rows{{
    {ZoneError::none, "none", {}, 0},
    {ZoneError::out_of_range, "beyond the end of the disk", {illegal_request, 0x21, 0x00}, ENOSPC},
    {ZoneError::unaligned_write,
     "not at the write pointer, or no whole blocks",
     {illegal_request, 0x21, 0x04},
     EIO},
    {ZoneError::write_boundary_violation,
     "crosses the border of a sequential zone",
     {illegal_request, 0x21, 0x05},
     EIO},
    {ZoneError::read_boundary_violation, "a read that leaves its zone", {illegal_request, 0x21, 0x07}, EIO},
    {ZoneError::read_invalid_data,
     "a read of what was not written, or across zone types",
     {illegal_request, 0x21, 0x06},
     EIO},
    {ZoneError::gap, "behind the zone's capacity", {illegal_request, 0x21, 0x09}, EIO},
    {ZoneError::invalid_field,
     "not possible in this zone's type or condition",
     {illegal_request, 0x24, 0x00},
     EIO},
    {ZoneError::read_only, "the zone is read-only", {data_protect, 0x27, 0x08}, EIO},
    {ZoneError::offline, "the zone is offline", {data_protect, 0x2c, 0x0e}, EIO},
    {ZoneError::too_many_open, "too many open zones", {data_protect, 0x55, 0x0e}, ETOOMANYREFS},
    {ZoneError::too_many_active, "too many active zones", {data_protect, 0x55, 0x0e}, EOVERFLOW},
}};

constexpr bool in_order() {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i].error != static_cast<ZoneError>(i)) {
            return false;
        }
    }
    return true;
}
static_assert(in_order());

constexpr const Row& row_of(ZoneError error) {
    return rows[static_cast<std::size_t>(error)];
}

}  // namespace

std::string_view to_string(ZoneError error) {
    return row_of(error).text;
}

Sense sense_of(ZoneError error) {
    return row_of(error).sense;
}

int errno_of(ZoneError error) {
    return row_of(error).errnum;
}

}  // namespace reflux
