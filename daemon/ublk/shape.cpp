#include "daemon/ublk/shape.h"

#include <algorithm>
#include <bit>

namespace reflux::ublk {
namespace {

constexpr std::uint32_t to_sectors(std::uint64_t bytes) {
    return static_cast<std::uint32_t>(bytes / sector_size);
}

// More than there are zones is no limit, and the driver refuses it.
std::uint32_t limit_of(std::uint32_t most, const ZonedGeometry& geometry) {
    return most >= geometry.zone_count() ? 0 : most;
}

DiscardParameters discard_parameters(unsigned block) {
    constexpr std::uint32_t most = to_sectors(std::uint64_t{1} << 30U);
    return {.granularity = std::max(4096U, block),  // holes are of whole pages
            .max_sectors = most,
            .max_write_zeroes_sectors = most,
            .max_segments = 1};
}

bool is_zoned(const ZonedGeometry& geometry, bool translated) {
    return !translated && geometry.shape().model == ZoneModel::host_managed &&
           geometry.conventional_count() < geometry.zone_count();
}

}  // namespace

Result<Shape> shape_of(const ZonedGeometry& geometry, Bytes size, bool translated) {
    const unsigned block = geometry.shape().logical_block_size;
    Shape shape;
    shape.features = feature_ioctl_encode | feature_user_copy;
    Parameters& parameters = shape.parameters;
    parameters.length = sizeof(Parameters);
    parameters.types = parameters_basic;
    parameters.basic = {.attributes = attribute_volatile_cache,
                        .logical_block_shift = static_cast<std::uint8_t>(std::countr_zero(block)),
                        .physical_block_shift = 12,
                        .optimal_io_shift = 12,
                        .smallest_io_shift = 12,
                        .max_sectors = to_sectors(largest_transfer),
                        .disk_sectors = size.value / sector_size};
    // Of a killed daemon's translation only what was flushed is left: its host must see the disk fail.
    if (!translated) {
        shape.features |= feature_user_recovery | feature_user_recovery_reissue;
    }
    if (!is_zoned(geometry, translated)) {
        parameters.types |= parameters_discard;
        parameters.discard = discard_parameters(block);
        return shape;
    }
    if (geometry.size().value % geometry.zone_size().value != 0) {
        return fail(ErrorKind::unsupported,
                    "ublk has no zoned disk whose last zone is a smaller one: format it with a size of whole "
                    "zones");
    }
    shape.features |= feature_zoned;
    parameters.types |= parameters_zoned;
    parameters.basic.chunk_sectors = to_sectors(geometry.zone_size().value);
    const Bytes capacity = geometry.capacity_of({geometry.zone_count() - 1});
    parameters.zoned = {
        .max_open = limit_of(geometry.shape().max_open, geometry),
        .max_active = limit_of(geometry.shape().max_active, geometry),
        .max_append_sectors = to_sectors(std::min<std::uint64_t>(largest_transfer, capacity.value))};
    return shape;
}

Status check_features(std::uint64_t supported, const Shape& shape) {
    if ((supported & feature_user_copy) == 0) {
        return fail(ErrorKind::unsupported,
                    "this kernel's ublk moves no data by pread and pwrite (UBLK_F_USER_COPY): it takes Linux "
                    "6.5 or later");
    }
    if (shape.is_zoned() && (supported & feature_zoned) == 0) {
        return fail(ErrorKind::unsupported,
                    "this kernel's ublk has no zoned disks (UBLK_F_ZONED): it takes Linux 6.6 or later with "
                    "CONFIG_BLK_DEV_ZONED; a host-aware or translated disk is served without");
    }
    return {};
}

}  // namespace reflux::ublk
