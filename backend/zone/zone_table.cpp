#include "backend/zone/zone_table.h"

#include <algorithm>
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

// Nearly all writes do. They are kept apart from the others in functions of their own: where there is a loop
// over an extent, it is moved through memory even if there is but one piece.
bool lies_in_one_zone(const ZonedGeometry& geometry, Extent extent) {
    return extent.length > Bytes{0} && geometry.contains(extent) &&
           geometry.first_piece(extent).length == extent.length;
}

}  // namespace

ZoneTable::ZoneTable(const ZonedGeometry& geometry, ZoneStore zones)
    : geometry_(geometry),
      has_limits_(geometry.shape().max_open != 0 || geometry.shape().max_active != 0),
      zones_(std::move(zones)),
      implicitly_open_(0) {
    for (std::uint64_t id = 0; id < zones_.size(); ++id) {
        summary_.add(zone({id}).condition);
    }
    implicitly_open_ = OpenQueue(most_implicitly_open());
    for (std::uint64_t id = 0, left = summary_.count(ZoneCondition::implicit_open); left != 0; ++id) {
        if (zone({id}).condition == ZoneCondition::implicit_open) {
            implicitly_open_.push({id});
            --left;
        }
    }
}

// How many zones the queue may come to hold; 0 where none is ever closed for another. One more than the limit
// are open between the beginning of a write and its end, and as many as there were in what was restored.
std::uint64_t ZoneTable::most_implicitly_open() const {
    const std::uint64_t limit = geometry_.shape().max_open;
    const std::uint64_t open = summary_.count(ZoneCondition::implicit_open);
    return limit == 0 ? 0 : std::min(zones_.size(), std::max(limit, open) + 1);
}

ZoneTable ZoneTable::fresh(const ZonedGeometry& geometry) {
    ZoneStore zones(geometry);
    for (std::uint64_t i = 0; i < geometry.zone_count(); ++i) {
        zones.set({i}, fresh_zone(geometry.type_of({i})));
    }
    return {geometry, std::move(zones)};
}

Result<ZoneTable> ZoneTable::restore(const ZonedGeometry& geometry, std::span<const Zone> zones) {
    if (zones.size() != geometry.zone_count()) {
        return fail(ErrorKind::invalid_input, fmt::format("zone table of {} zones for a disk of {} zones",
                                                          zones.size(), geometry.zone_count()));
    }
    ZoneStore store(geometry);
    for (std::uint64_t i = 0; i < zones.size(); ++i) {
        const ZoneId id{i};
        if (zones[i].type != geometry.type_of(id) || !is_consistent(zones[i], bounds_of(geometry, id))) {
            return fail(ErrorKind::invalid_input,
                        fmt::format("zone {} is impossible: type {:#x}, condition {:#x}, {} bytes written", i,
                                    static_cast<unsigned>(zones[i].type),
                                    static_cast<unsigned>(zones[i].condition), zones[i].written.value));
        }
        store.set(id, zones[i]);
    }
    return ZoneTable(geometry, std::move(store));
}

ZoneDescriptor ZoneTable::describe(ZoneId id) const {
    const Zone zone = zones_.get(id);
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
        if (is_reported(zone({id}), request.option)) {
            out[answer.filled++] = describe({id});
        }
    }
    answer.matching = answer.filled;
    if (!request.partial) {
        for (; id < zones_.size(); ++id) {
            answer.matching += is_reported(zone({id}), request.option) ? 1U : 0U;
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

[[gnu::always_inline]] inline ZoneError ZoneTable::check_write_piece(const Zone& zone, const ZonePiece& piece,
                                                                     bool leaves) const {
    constexpr auto required = ZoneType::sequential_write_required;
    // The sequential zones are the last.
    if (leaves && geometry_.type_of({piece.zone.value + 1}) == required) {
        return ZoneError::write_boundary_violation;
    }
    const auto error =
        reflux::check_write(zone, piece.offset_in_zone, piece.length, bounds_of(geometry_, piece.zone));
    if (error != ZoneError::none || !has_limits_ || zone.type != required || !zone.is_openable()) {
        return error;
    }
    return check_room(zone.condition, is_reserved(zone));
}

ZoneError ZoneTable::check_write(Extent extent) const {
    return for_pieces(extent, [this](const ZonePiece& piece, bool leaves) {
        return check_write_piece(zones_.get(piece.zone), piece, leaves);
    });
}

ZoneError ZoneTable::check_discard(Extent extent) const {
    return for_pieces(extent, [this](const ZonePiece& piece, bool /*leaves*/) {
        const Zone zone = zones_.get(piece.zone);
        return zone.type == ZoneType::sequential_write_required
                   ? ZoneError::invalid_field
                   : reflux::check_write(zone, piece.offset_in_zone, piece.length,
                                         bounds_of(geometry_, piece.zone));
    });
}

ZoneError ZoneTable::check_read_piece(const ZonePiece& piece, bool leaves) const {
    const Zone zone = zones_.get(piece.zone);
    if (zone.condition == ZoneCondition::offline) {
        return ZoneError::offline;
    }
    if (geometry_.shape().model == ZoneModel::host_aware) {
        return ZoneError::none;
    }
    if (leaves && zone.type != geometry_.type_of({piece.zone.value + 1})) {
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

ZoneError ZoneTable::check_room(ZoneCondition condition, bool reserved) const {
    const ZonedShape& shape = geometry_.shape();
    if (shape.max_active != 0 && condition == ZoneCondition::empty && !reserved &&
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
            implicitly_open_.oldest([this](ZoneId id) { return zone(id).writes_in_flight == 0; });
        change(oldest, close_zone);
    }
}

// Without a branch that goes by the conditions, where there are no limits: which of them a zone has that
// comes from memory cannot be foretold. Inlined, with those that call it: a Zone that is handed over in
// memory, field by field, costs more than all the rest.
[[gnu::always_inline]] inline bool ZoneTable::put(ZoneId id, const Zone& before, const Zone& after) {
    zones_.set(id, after);
    if (after.condition != before.condition) {
        summary_.move(before.condition, after.condition);
        if (has_limits_) {
            requeue(id, before.condition, after.condition);
        }
    }
    if (has_limits_) {
        reserved_ += is_reserved(after) ? 1 : 0;
        reserved_ -= is_reserved(before) ? 1 : 0;
    }
    return after != before;
}

void ZoneTable::requeue(ZoneId id, ZoneCondition before, ZoneCondition after) {
    if (before == ZoneCondition::implicit_open) {
        implicitly_open_.remove(id);
    } else if (after == ZoneCondition::implicit_open) {
        implicitly_open_.push(id);
    }
}

template <class Change>
[[gnu::always_inline]] inline bool ZoneTable::change(ZoneId id, Change apply) {
    const Zone before = zones_.get(id);
    Zone after = before;
    apply(after);
    return put(id, before, after);
}

template <class Change>
bool ZoneTable::change_all(Change apply) {
    bool changed = false;
    for (std::uint64_t id = 0; id < zones_.size(); ++id) {
        changed |= change({id}, apply);
    }
    return changed;
}

[[gnu::always_inline]] inline void ZoneTable::begin_piece(ZoneId id, const Zone& zone) {
    Zone begun = zone;
    ++begun.writes_in_flight;
    const bool opens = zone.has_write_pointer() && zone.is_openable();
    begun.condition = opens ? ZoneCondition::implicit_open : zone.condition;
    if (has_limits_ && opens) {
        make_room(1);
    }
    put(id, zone, begun);
}

ZoneError ZoneTable::begin_write(Extent extent) {
    if (!lies_in_one_zone(geometry_, extent)) {
        return begin_pieces(extent);
    }
    const ZonePiece piece = geometry_.first_piece(extent);
    const Zone zone = zones_.get(piece.zone);
    const auto error = check_write_piece(zone, piece, false);
    if (error == ZoneError::none) {
        begin_piece(piece.zone, zone);
    }
    return error;
}

ZoneError ZoneTable::begin_pieces(Extent extent) {
    if (const auto error = check_write(extent); error != ZoneError::none) {
        return error;
    }
    geometry_.for_each_piece(
        extent, [this](const ZonePiece& piece) { begin_piece(piece.zone, zones_.get(piece.zone)); });
    return ZoneError::none;
}

Placement ZoneTable::begin_append(ZoneId id, Bytes length) {
    if (id.value >= zones_.size()) {
        return {.error = ZoneError::out_of_range};
    }
    const Zone zone = zones_.get(id);
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

[[gnu::always_inline]] inline bool ZoneTable::record_piece(const ZonePiece& piece) {
    const bool changed = change(piece.zone, [&](Zone& zone) {
        reflux::record_write(zone, piece.offset_in_zone, piece.length, bounds_of(geometry_, piece.zone));
        end_write(zone);
    });
    // It opened the zone only now, or beside explicitly open ones that are as many as there should be.
    if (has_limits_) {
        make_room(0);
    }
    return changed;
}

bool ZoneTable::record_write(Extent extent) {
    return lies_in_one_zone(geometry_, extent) ? record_piece(geometry_.first_piece(extent))
                                               : record_pieces(extent);
}

bool ZoneTable::record_pieces(Extent extent) {
    bool changed = false;
    geometry_.for_each_piece(extent, [&](const ZonePiece& piece) { changed |= record_piece(piece); });
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
    const Zone zone = zones_.get(id);
    if (!zone.is_openable() && zone.condition != ZoneCondition::implicit_open) {
        return ZoneError::none;
    }
    const auto error = check_room(zone.condition, is_reserved(zone));
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

}  // namespace reflux
