#include "backend/zone/zone_table.h"

#include "backend/zone/zone_word.h"

#include <utility>

namespace reflux {
namespace {

ZoneBounds bounds_of(const ZonedGeometry& geometry, ZoneId id) {
    return {.capacity = geometry.capacity_of(id), .block = geometry.shape().logical_block_size};
}

void end_write(Zone& zone) {
    zone.writes_in_flight -= zone.writes_in_flight != 0 ? 1 : 0;  // there may have been no begin_write
}

// It was open, was closed for another, and will be open again when its first write ends.
bool is_reserved(const Zone& zone) {
    return zone.condition == ZoneCondition::empty && zone.writes_in_flight != 0;
}

}  // namespace

ZoneTable::ZoneTable(const ZonedGeometry& geometry, std::vector<Zone> zones)
    : geometry_(geometry),
      zones_(std::move(zones)),
      implicitly_open_(geometry.shape().max_open == 0 ? 0 : zones_.size()) {
    for (std::uint64_t id = 0; id < zones_.size(); ++id) {
        summary_.add(zones_[id].condition);
        if (zones_[id].condition == ZoneCondition::implicit_open) {
            implicitly_open_.push({id});
        }
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
        if (zones[i].type != geometry.type_of(id) || !is_consistent(zones[i], bounds_of(geometry, id))) {
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
            .condition = zone.condition,
            .non_sequential = zone.non_sequential,
            .reset_recommended = zone.reset_recommended};
}

ReportAnswer ZoneTable::report_matching(const ReportRequest& request, std::span<ZoneDescriptor> out) const {
    ReportAnswer answer;
    if (request.first.value >= zones_.size()) {
        answer.error = ZoneError::out_of_range;
        return answer;
    }
    std::uint64_t id = request.first.value;
    for (; id < zones_.size() && answer.filled < out.size(); ++id) {
        if (is_reported(zones_[id], request.option)) {
            out[answer.filled++] = describe({id});
        }
    }
    answer.matching = answer.filled;
    if (!request.partial) {
        for (; id < zones_.size(); ++id) {
            answer.matching += is_reported(zones_[id], request.option) ? 1U : 0U;
        }
    }
    return answer;
}

// Asks check(piece, whether the range goes on behind it) for each piece in order, until one is refused.
template <class Check>
ZoneError ZoneTable::for_pieces(Extent extent, Check check) const {
    if (!geometry_.contains(extent)) {
        return ZoneError::out_of_range;
    }
    while (extent.length > Bytes{0}) {
        const ZonePiece piece = geometry_.first_piece(extent);
        extent = {.offset = extent.offset + piece.length, .length = extent.length - piece.length};
        if (const auto error = check(piece, extent.length > Bytes{0}); error != ZoneError::none) {
            return error;
        }
    }
    return ZoneError::none;
}

ZoneError ZoneTable::check_write(Extent extent) const {
    constexpr auto required = ZoneType::sequential_write_required;
    return for_pieces(extent, [this](const ZonePiece& piece, bool leaves) {
        const std::uint64_t id = piece.zone.value;
        const Zone& zone = zones_[id];
        if (leaves && (zone.type == required || zones_[id + 1].type == required)) {
            return ZoneError::write_boundary_violation;
        }
        const auto error =
            reflux::check_write(zone, piece.offset_in_zone, piece.length, bounds_of(geometry_, piece.zone));
        if (error != ZoneError::none || zone.type != required || !zone.is_openable()) {
            return error;
        }
        return check_room(zone);
    });
}

ZoneError ZoneTable::check_discard(Extent extent) const {
    return for_pieces(extent, [this](const ZonePiece& piece, bool /*leaves*/) {
        const Zone& zone = zones_[piece.zone.value];
        return zone.type == ZoneType::sequential_write_required
                   ? ZoneError::invalid_field
                   : reflux::check_write(zone, piece.offset_in_zone, piece.length,
                                         bounds_of(geometry_, piece.zone));
    });
}

ZoneError ZoneTable::check_read_piece(const ZonePiece& piece, bool leaves) const {
    const Zone& zone = zones_[piece.zone.value];
    if (zone.condition == ZoneCondition::offline) {
        return ZoneError::offline;
    }
    if (geometry_.shape().model == ZoneModel::host_aware) {
        return ZoneError::none;
    }
    if (leaves && zone.type != zones_[piece.zone.value + 1].type) {
        return ZoneError::read_invalid_data;
    }
    if (geometry_.shape().unrestricted_reads || zone.type != ZoneType::sequential_write_required) {
        return ZoneError::none;
    }
    if (leaves) {
        return ZoneError::read_boundary_violation;
    }
    return piece.offset_in_zone + piece.length > zone.written ? ZoneError::read_invalid_data
                                                              : ZoneError::none;
}

ZoneError ZoneTable::check_read(Extent extent) const {
    return for_pieces(
        extent, [this](const ZonePiece& piece, bool leaves) { return check_read_piece(piece, leaves); });
}

ZoneError ZoneTable::check_room(const Zone& zone) const {
    const ZonedShape& shape = geometry_.shape();
    if (zone.condition == ZoneCondition::empty && !is_reserved(zone) && shape.max_active != 0 &&
        summary_.active() + reserved_ >= shape.max_active) {
        return ZoneError::too_many_active;
    }
    const bool all_explicit = summary_.count(ZoneCondition::explicit_open) >= shape.max_open;
    return shape.max_open != 0 && all_explicit ? ZoneError::too_many_open : ZoneError::none;
}

void ZoneTable::make_room(std::uint64_t more) {
    const std::uint64_t limit = geometry_.shape().max_open;
    while (limit != 0 && summary_.open() + more > limit &&
           summary_.count(ZoneCondition::implicit_open) != 0) {
        const ZoneId oldest =
            implicitly_open_.oldest([this](ZoneId id) { return zones_[id.value].writes_in_flight == 0; });
        change(oldest, close_zone);
    }
}

template <class Change>
bool ZoneTable::change(ZoneId id, Change apply) {
    Zone& zone = zones_[id.value];
    const Zone before = zone;
    apply(zone);
    if (zone.condition != before.condition) {
        summary_.remove(before.condition);
        summary_.add(zone.condition);
        if (before.condition == ZoneCondition::implicit_open) {
            implicitly_open_.remove(id);
        } else if (zone.condition == ZoneCondition::implicit_open) {
            implicitly_open_.push(id);
        }
    }
    reserved_ += is_reserved(zone) ? 1 : 0;
    reserved_ -= is_reserved(before) ? 1 : 0;
    if (!words_.empty()) {
        words_[id.value].store(word_of_zone(zone), std::memory_order_relaxed);
    }
    return zone != before;
}

template <class Change>
bool ZoneTable::change_all(Change apply) {
    bool changed = false;
    for (std::uint64_t id = 0; id < zones_.size(); ++id) {
        changed |= change({id}, apply);
    }
    return changed;
}

void ZoneTable::open_implicitly(ZoneId id) {
    if (zones_[id.value].has_write_pointer() && zones_[id.value].is_openable()) {
        make_room(1);
        change(id, [](Zone& zone) { zone.condition = ZoneCondition::implicit_open; });
    }
}

ZoneError ZoneTable::begin_write(Extent extent) {
    if (const auto error = check_write(extent); error != ZoneError::none) {
        return error;
    }
    geometry_.for_each_piece(extent, [this](const ZonePiece& piece) {
        open_implicitly(piece.zone);
        change(piece.zone, [](Zone& zone) { ++zone.writes_in_flight; });
    });
    return ZoneError::none;
}

Placement ZoneTable::begin_append(ZoneId id, Bytes length) {
    if (id.value >= zones_.size()) {
        return {.error = ZoneError::out_of_range};
    }
    const Zone& zone = zones_[id.value];
    const ZoneBounds bounds = bounds_of(geometry_, id);
    if (const auto error = check_manageable(zone); error != ZoneError::none) {
        return {.error = error};
    }
    if (zone.condition == ZoneCondition::full) {
        return {.error = ZoneError::invalid_field};
    }
    if (length == Bytes{0} || length.value % bounds.block != 0) {
        return {.error = ZoneError::unaligned_write};
    }
    if (length > bounds.capacity - zone.written) {
        return {.error = ZoneError::write_boundary_violation};
    }
    const Extent extent{.offset = geometry_.start_of(id) + zone.written, .length = length};
    return {.error = begin_write(extent), .extent = extent};
}

void ZoneTable::abandon_write(Extent extent) {
    geometry_.for_each_piece(extent, [this](const ZonePiece& piece) { change(piece.zone, end_write); });
}

bool ZoneTable::record_write(Extent extent) {
    bool changed = false;
    geometry_.for_each_piece(extent, [&](const ZonePiece& piece) {
        const ZoneBounds bounds = bounds_of(geometry_, piece.zone);
        changed |= change(piece.zone, [&](Zone& zone) {
            reflux::record_write(zone, piece.offset_in_zone, piece.length, bounds);
            end_write(zone);
        });
        // It opened the zone only now, or beside explicitly open ones that are as many as there should be.
        make_room(0);
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

// Lets a zone become explicitly open, or go through open to full. None also where it need not be opened.
ZoneError ZoneTable::prepare_opening(ZoneId id) {
    if (id.value >= zones_.size()) {
        return ZoneError::none;
    }
    const Zone& zone = zones_[id.value];
    if (!zone.is_openable() && zone.condition != ZoneCondition::implicit_open) {
        return ZoneError::none;
    }
    const auto error = check_room(zone);
    if (error == ZoneError::none && zone.is_openable()) {
        make_room(1);
    }
    return error;
}

ZoneError ZoneTable::open(ZoneId id) {
    if (const auto error = prepare_opening(id); error != ZoneError::none) {
        return error;
    }
    return manage(id, open_zone);
}

ZoneError ZoneTable::close(ZoneId id) {
    return manage(id, close_zone);
}

ZoneError ZoneTable::finish(ZoneId id) {
    if (geometry_.shape().model == ZoneModel::host_managed) {
        if (const auto error = prepare_opening(id); error != ZoneError::none) {
            return error;
        }
    }
    return manage(id, [&](Zone& zone) { return finish_zone(zone, geometry_.capacity_of(id)); });
}

ZoneError ZoneTable::reset(ZoneId id) {
    return manage(id, reset_zone);
}

ZoneError ZoneTable::open_all() {
    const std::uint64_t closed = summary_.count(ZoneCondition::closed);
    const std::uint64_t limit = geometry_.shape().max_open;
    if (limit != 0 && summary_.count(ZoneCondition::explicit_open) + closed > limit) {
        return ZoneError::too_many_open;
    }
    if (closed != 0) {
        change_all([](Zone& zone) {
            if (zone.condition == ZoneCondition::closed) {
                zone.condition = ZoneCondition::explicit_open;
            }
        });
        make_room(0);  // afterwards: what is closed for them was not closed when ALL was said
    }
    return ZoneError::none;
}

void ZoneTable::close_all() {
    if (summary_.open() != 0) {
        change_all(reflux::power_cycle);  // the same to every zone
    }
}

void ZoneTable::finish_all() {
    for (std::uint64_t id = 0; id < zones_.size() && summary_.active() != 0; ++id) {
        change({id}, [&](Zone& zone) {
            if (zone.is_open() || zone.condition == ZoneCondition::closed) {
                finish_zone(zone, geometry_.capacity_of({id}));
            }
        });
    }
}

void ZoneTable::reset_all() {
    change_all(reset_zone);  // refuses where there is nothing to reset
}

void ZoneTable::degrade(ZoneId id, ZoneCondition to) {
    change(id, [to](Zone& zone) {
        if (zone.condition != ZoneCondition::offline) {
            zone.condition = to;
        }
    });
}

void ZoneTable::recommend_reset(ZoneId id) {
    change(id, [](Zone& zone) { zone.reset_recommended = zone.has_write_pointer(); });
}

bool ZoneTable::power_cycle() {
    return change_all(reflux::power_cycle);
}

void ZoneTable::keep_in(std::span<std::atomic<std::uint64_t>> words) {
    words_ = words;
    change_all([](Zone& /*zone*/) {});
}

}  // namespace reflux
