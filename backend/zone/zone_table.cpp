#include "backend/zone/zone_table.h"

#include <utility>

namespace reflux {

ZoneTable::ZoneTable(const ZonedGeometry& geometry, std::vector<Zone> zones)
    : geometry_(geometry), zones_(std::move(zones)) {
    for (const Zone& zone : zones_) {
        summary_.add(zone.condition);
    }
}

ZoneTable ZoneTable::fresh(const ZonedGeometry& geometry) {
    std::vector<Zone> zones;
    zones.reserve(geometry.zone_count());
    for (std::uint64_t i = 0; i < geometry.zone_count(); ++i) {
        zones.push_back(fresh_zone(geometry.type_of({i})));
    }
    return {geometry, std::move(zones)};
}

Result<ZoneTable> ZoneTable::restore(const ZonedGeometry& geometry, std::vector<Zone> zones) {
    if (zones.size() != geometry.zone_count()) {
        return fail(ErrorKind::invalid_input, fmt::format("zone table of {} zones for a disk of {} zones",
                                                          zones.size(), geometry.zone_count()));
    }
    for (std::uint64_t i = 0; i < zones.size(); ++i) {
        const ZoneId id{i};
        if (zones[i].type != geometry.type_of(id) || !is_consistent(zones[i], geometry.capacity_of(id))) {
            return fail(ErrorKind::invalid_input,
                        fmt::format("zone {} is impossible: type {:#x}, condition {:#x}, {} bytes written", i,
                                    static_cast<unsigned>(zones[i].type),
                                    static_cast<unsigned>(zones[i].condition), zones[i].written.value));
        }
    }
    return ZoneTable(geometry, std::move(zones));
}

ZoneDescriptor ZoneTable::describe(ZoneId id) const {
    const Zone& zone = zones_[id.value];
    const Bytes start = geometry_.start_of(id);
    return {.start = start,
            .length = geometry_.length_of(id),
            .capacity = geometry_.capacity_of(id),
            .write_pointer = zone.has_write_pointer() ? start + zone.written : Bytes{0},
            .has_write_pointer = zone.has_write_pointer(),
            .type = zone.type,
            .condition = zone.condition};
}

std::size_t ZoneTable::report(ZoneId first, std::span<ZoneDescriptor> out) const {
    std::size_t filled = 0;
    for (std::uint64_t id = first.value; id < zones_.size() && filled < out.size(); ++id) {
        out[filled++] = describe({id});
    }
    return filled;
}

ZoneError ZoneTable::check_write(Extent extent) const {
    if (!geometry_.contains(extent)) {
        return ZoneError::out_of_range;
    }
    while (extent.length > Bytes{0}) {
        const ZonePiece piece = geometry_.first_piece(extent);
        const Zone& zone = zones_[piece.zone.value];
        if (const auto error = reflux::check_write(zone, piece.offset_in_zone, piece.length);
            error != ZoneError::none) {
            return error;
        }
        extent = {.offset = extent.offset + piece.length, .length = extent.length - piece.length};
        if (extent.length > Bytes{0} &&
            (zone.type == ZoneType::sequential_write_required ||
             zones_[piece.zone.value + 1].type == ZoneType::sequential_write_required)) {
            return ZoneError::write_boundary_violation;
        }
    }
    return ZoneError::none;
}

ZoneError ZoneTable::check_read(Extent extent) const {
    if (!geometry_.contains(extent)) {
        return ZoneError::out_of_range;
    }
    while (extent.length > Bytes{0}) {
        const ZonePiece piece = geometry_.first_piece(extent);
        if (const auto error = reflux::check_read(zones_[piece.zone.value]); error != ZoneError::none) {
            return error;
        }
        extent = {.offset = extent.offset + piece.length, .length = extent.length - piece.length};
    }
    return ZoneError::none;
}

template <class Change>
bool ZoneTable::change(ZoneId id, Change apply) {
    Zone& zone = zones_[id.value];
    const Zone before = zone;
    apply(zone);
    if (zone.condition != before.condition) {
        summary_.remove(before.condition);
        summary_.add(zone.condition);
    }
    return zone != before;
}

bool ZoneTable::record_write(Extent extent) {
    bool changed = false;
    geometry_.for_each_piece(extent, [&](const ZonePiece& piece) {
        const Bytes capacity = geometry_.capacity_of(piece.zone);
        changed |= change(piece.zone, [&](Zone& zone) {
            reflux::record_write(zone, piece.offset_in_zone, piece.length, capacity);
        });
    });
    return changed;
}

template <class Manage>
ZoneError ZoneTable::manage(ZoneId id, Manage command) {
    if (id.value >= zones_.size()) {
        return ZoneError::out_of_range;
    }
    ZoneError error = ZoneError::none;
    change(id, [&](Zone& zone) { error = command(zone); });
    return error;
}

ZoneError ZoneTable::open(ZoneId id) {
    return manage(id, open_zone);
}

ZoneError ZoneTable::close(ZoneId id) {
    return manage(id, close_zone);
}

ZoneError ZoneTable::finish(ZoneId id) {
    return manage(id, [&](Zone& zone) { return finish_zone(zone, geometry_.capacity_of(id)); });
}

ZoneError ZoneTable::reset(ZoneId id) {
    return manage(id, reset_zone);
}

bool ZoneTable::power_cycle() {
    bool changed = false;
    for (std::uint64_t id = 0; id < zones_.size(); ++id) {
        changed |= change({id}, reflux::power_cycle);
    }
    return changed;
}

}  // namespace reflux
