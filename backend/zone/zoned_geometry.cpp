#include "backend/zone/zoned_geometry.h"

#include <bit>

namespace reflux {
namespace {

tl::unexpected<Error> refused(std::string reason) {
    return fail(ErrorKind::invalid_input, std::move(reason));
}

Status check_sizes(const ZonedShape& shape) {
    constexpr std::uint64_t page = 4096;
    if (!std::has_single_bit(shape.zone_size.value) || shape.zone_size < ZonedGeometry::smallest_zone) {
        return refused(fmt::format("zone size {} must be a power of two of at least {}",
                                   to_string(shape.zone_size), to_string(ZonedGeometry::smallest_zone)));
    }
    if (shape.zone_size > ZonedGeometry::largest_zone) {
        return refused(fmt::format("zone size {} must be at most {}", to_string(shape.zone_size),
                                   to_string(ZonedGeometry::largest_zone)));
    }
    if (shape.size.value == 0 || shape.size.value % page != 0) {
        return refused(
            fmt::format("disk size {} must be a multiple of 4KiB and not 0", to_string(shape.size)));
    }
    if (shape.logical_block_size != 512 && shape.logical_block_size != 4096) {
        return refused(
            fmt::format("logical block size {} must be 512 or 4096 bytes", shape.logical_block_size));
    }
    if (shape.zone_capacity > shape.zone_size || shape.zone_capacity.value % shape.logical_block_size != 0) {
        return refused(fmt::format(
            "zone capacity {} must be a multiple of the logical block size {} and at "
            "most the zone size {}",
            to_string(shape.zone_capacity), shape.logical_block_size, to_string(shape.zone_size)));
    }
    return {};
}

Status check_model(const ZonedShape& shape) {
    if (shape.model == ZoneModel::host_aware) {
        if (shape.zone_capacity != shape.zone_size) {
            return refused("a zone capacity below the zone size needs a host-managed disk");
        }
        if (shape.max_active != 0) {
            return refused("a limit of active zones needs a host-managed disk");
        }
    } else if (shape.model != ZoneModel::host_managed) {
        return refused("an unknown zone model");
    }
    if (shape.max_active != 0 && shape.max_open > shape.max_active) {
        return refused(fmt::format("at most {} open zones cannot be more than the at most {} active ones",
                                   shape.max_open, shape.max_active));
    }
    return {};
}

}  // namespace

std::string_view to_string(ZoneModel model) {
    switch (model) {
        case ZoneModel::host_managed:
            return "host_managed";
        case ZoneModel::host_aware:
            return "host_aware";
    }
    return "unknown";
}

Result<ZonedGeometry> ZonedGeometry::make(const ZonedShape& shape) {
    ZonedGeometry geometry;
    geometry.shape_ = shape;
    if (shape.zone_capacity == Bytes{0}) {
        geometry.shape_.zone_capacity = shape.zone_size;
    }
    REFLUX_CHECK(check_sizes(geometry.shape_));
    REFLUX_CHECK(check_model(geometry.shape_));
    geometry.zone_shift_ = static_cast<unsigned>(std::countr_zero(shape.zone_size.value));
    geometry.zone_count_ = (shape.size.value >> geometry.zone_shift_) +
                           (shape.size.value % shape.zone_size.value != 0 ? 1U : 0U);
    if (geometry.zone_count_ > most_zones) {
        return refused(
            fmt::format("{} zones are more than {}; choose larger zones", geometry.zone_count_, most_zones));
    }
    if (shape.conventional > geometry.zone_count_) {
        return refused(fmt::format("{} conventional zones on a disk of {} zones", shape.conventional,
                                   geometry.zone_count_));
    }
    return geometry;
}

}  // namespace reflux
