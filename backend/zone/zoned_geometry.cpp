#include "backend/zone/zoned_geometry.h"

#include <bit>

namespace reflux {

Result<ZonedGeometry> ZonedGeometry::make(Bytes size, Bytes zone_size, std::uint64_t conventional) {
    constexpr std::uint64_t page = 4096;
    if (!std::has_single_bit(zone_size.value) || zone_size < smallest_zone) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("zone size {} must be a power of two of at least {}", to_string(zone_size),
                                to_string(smallest_zone)));
    }
    if (size.value == 0 || size.value % page != 0) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("disk size {} must be a multiple of 4KiB and not 0", to_string(size)));
    }
    ZonedGeometry geometry;
    geometry.size_ = size;
    geometry.zone_shift_ = static_cast<unsigned>(std::countr_zero(zone_size.value));
    geometry.zone_count_ =
        (size.value >> geometry.zone_shift_) + (size.value % zone_size.value != 0 ? 1U : 0U);
    geometry.conventional_ = conventional;
    if (geometry.zone_count_ > most_zones) {
        return fail(ErrorKind::invalid_input, fmt::format("{} zones are more than {}; choose larger zones",
                                                          geometry.zone_count_, most_zones));
    }
    if (conventional > geometry.zone_count_) {
        return fail(ErrorKind::invalid_input, fmt::format("{} conventional zones on a disk of {} zones",
                                                          conventional, geometry.zone_count_));
    }
    return geometry;
}

}  // namespace reflux
