#include "backend/map/map_layout.h"

namespace reflux::map {
namespace {

tl::unexpected<Error> refused(std::string why) {
    return fail(ErrorKind::invalid_input, "no translation: " + std::move(why));
}

Status check_shape(const ZonedShape& shape) {
    if (shape.model != ZoneModel::host_managed) {
        return refused(
            "a host-aware disk takes writes anywhere by itself; translation is for host-managed ones");
    }
    if (shape.zone_capacity != shape.zone_size) {
        return refused(fmt::format("zones of {} of which {} can be written; it takes them only whole",
                                   to_string(shape.zone_size), to_string(shape.zone_capacity)));
    }
    if (shape.max_active != 0) {
        return refused(
            "it keeps zones half-written for as long as it likes, which a limit of active zones "
            "forbids; leave the limit out");
    }
    return {};
}

}  // namespace

Result<MapLayout> MapLayout::make(const ZonedGeometry& geometry) {
    REFLUX_CHECK(check_shape(geometry.shape()));
    MapLayout layout;
    layout.zone_size_ = geometry.zone_size();
    layout.sequential_first_ = geometry.conventional_count();
    const bool last_is_short = geometry.size().value % geometry.zone_size().value != 0;
    const std::uint64_t whole_zones = geometry.zone_count() - (last_is_short ? 1 : 0);
    layout.sequential_count_ = whole_zones - std::min(whole_zones, geometry.conventional_count());
    if (layout.sequential_count_ <= reserved_sequential) {
        return refused(fmt::format("{} whole sequential zones; it needs {} at least",
                                   layout.sequential_count_, reserved_sequential + 1));
    }
    layout.chunk_count_ = layout.sequential_count_ - reserved_sequential;
    const std::uint64_t set_blocks = 1 + layout.metadata_blocks();
    layout.zones_per_set_ = (set_blocks + layout.zone_blocks() - 1) / layout.zone_blocks();
    const std::uint64_t needed = metadata_sets * layout.zones_per_set_ + fewest_random;
    if (geometry.conventional_count() < needed) {
        return refused(
            fmt::format("{} conventional zones; this disk needs {} at least: twice {} for metadata, and {} "
                        "to write anywhere in",
                        geometry.conventional_count(), needed, layout.zones_per_set_, fewest_random));
    }
    return layout;
}

}  // namespace reflux::map
