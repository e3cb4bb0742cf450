// Append and zone management of the zoned disk.
#include "backend/zoned_device.h"

#include <algorithm>
#include <array>
#include <utility>

namespace reflux {
namespace {

// For lower filesystems that make no holes: what was there must not be read again.
int write_zeroes(ImageFile& file, std::uint64_t offset, std::uint64_t length) {
    static constexpr std::array<std::byte, 64 << 10> zeroes{};
    int error = 0;
    while (length > 0 && error == 0) {
        const auto piece = std::span(zeroes).first(std::min<std::uint64_t>(length, zeroes.size()));
        error = file.write(offset, piece);
        offset += piece.size();
        length -= piece.size();
    }
    return error;
}

// FINISH with ALL takes open and closed zones alone.
bool is_meant(const DeviceRequest& request, const Zone& zone) {
    return !request.all_zones || request.operation != DeviceOperation::finish_zone || zone.is_open() ||
           zone.condition == ZoneCondition::closed;
}

}  // namespace

// Calls visit(ZoneId) for the zone that the request names, or for all that have a write pointer.
template <class Visit>
void ZonedDevice::for_each_zone(const DeviceRequest& request, Visit visit) const {
    if (!request.all_zones) {
        visit(geometry_.zone_of({request.offset}));
        return;
    }
    for (std::uint64_t id = geometry_.conventional_count(); id < geometry_.zone_count(); ++id) {
        visit(ZoneId{id});
    }
}

Extent ZonedDevice::data_extent(const DeviceRequest& request) {
    const bool append = request.operation == DeviceOperation::append;
    return {.offset = {append ? request.placed_at : request.offset}, .length = {length_of(request)}};
}

int ZonedDevice::error_of_refusal(const DeviceRequest& request) {
    const bool has_no_discard =
        request.operation == DeviceOperation::discard && request.refusal == ZoneError::invalid_field;
    return has_no_discard ? EOPNOTSUPP : errno_of(request.refusal);
}

ZoneError ZonedDevice::begin_append(DeviceRequest& request) {
    const ZoneId zone = geometry_.zone_of({request.offset});
    const Placement placement = zones_.begin_append(zone, {request.buffer.size()});
    request.placed_at = placement.extent.offset.value;
    return placement.error;
}

ZoneError ZonedDevice::check_zone_named(const DeviceRequest& request) const {
    if (request.all_zones) {
        return ZoneError::none;
    }
    if (request.offset >= geometry_.size().value) {
        return ZoneError::out_of_range;
    }
    return request.offset % geometry_.zone_size().value == 0 ? ZoneError::none : ZoneError::invalid_field;
}

ZoneError ZonedDevice::manage(const DeviceRequest& request) {
    mark_managed(request);
    const ZoneError error = request.all_zones
                                ? manage_all(request.operation)
                                : manage_one(request.operation, geometry_.zone_of({request.offset}));
    keep_managed(request);
    return error;
}

Bytes ZonedDevice::done_before(const DeviceRequest& request) {
    const Extent extent = data_extent(request);
    if (repeatable_.empty() || extent.length == Bytes{0} || !geometry_.contains(extent)) {
        return {};
    }
    const ZoneId id = geometry_.zone_of(extent.offset);
    const Zone zone = zones_.zone(id);
    // Whatever comes first in the zone ends the doubt.
    const Bytes last = std::exchange(repeatable_[id.value], Bytes{0});
    const bool is_the_last = zone.type == ZoneType::sequential_write_required &&
                             check_available(zone) == ZoneError::none && extent.length >= last &&
                             extent.offset + last == geometry_.start_of(id) + zone.written;
    return is_the_last ? last : Bytes{0};
}

Extent ZonedDevice::new_extent(const DeviceRequest& request) {
    const Extent extent = data_extent(request);
    const Bytes before = request.work_.done_before;
    return {.offset = extent.offset + before, .length = extent.length - before};
}

bool ZonedDevice::is_new(const DeviceRequest& request) {
    return new_extent(request).length != Bytes{0};
}

void ZonedDevice::keep(ZoneId zone, Bytes last_write) {
    if (!repeatable_.empty()) {
        repeatable_[zone.value] = {};
    }
    if (memory_) {
        memory_->put(zone, zones_.zone(zone), last_write);
    }
}

// Open and closed zones are the same to the next daemon.
void ZonedDevice::keep_managed(const DeviceRequest& request) {
    if (request.operation == DeviceOperation::finish_zone ||
        request.operation == DeviceOperation::reset_zone) {
        for_each_zone(request, [&](ZoneId id) { keep(id, {}); });
    }
}

// Open and closed zones come out of a power cycle as the same: only the others have to be written.
void ZonedDevice::mark_managed(const DeviceRequest& request) {
    const bool finish = request.operation == DeviceOperation::finish_zone;
    if (!finish && request.operation != DeviceOperation::reset_zone) {
        return;
    }
    for_each_zone(request, [&](ZoneId id) {
        const Zone zone = zones_.zone(id);
        if (finish ? is_meant(request, zone) : zone != fresh_zone(zone.type)) {
            table_.mark_changed(id, id);
        }
    });
}

ZoneError ZonedDevice::manage_all(DeviceOperation operation) {
    switch (operation) {
        case DeviceOperation::open_zone:
            return zones_.open_all();
        case DeviceOperation::close_zone:
            zones_.close_all();
            return ZoneError::none;
        case DeviceOperation::finish_zone:
            zones_.finish_all();
            return ZoneError::none;
        default:
            zones_.reset_all();
            return ZoneError::none;
    }
}

ZoneError ZonedDevice::manage_one(DeviceOperation operation, ZoneId zone) {
    switch (operation) {
        case DeviceOperation::open_zone:
            return zones_.open(zone);
        case DeviceOperation::close_zone:
            return zones_.close(zone);
        case DeviceOperation::finish_zone:
            return zones_.finish(zone);
        default:
            return zones_.reset(zone);
    }
}

// The old data goes when nothing speaks of them any more. Here and not in the end: the engine's sync, and the
// faults before it, come after this, and what follows a failed reset must not find it half done.
int ZonedDevice::begin_reset(DeviceRequest& request) {
    {
        const std::lock_guard lock(table_mutex_);
        request.refusal = manage(request);
    }
    if (request.refusal != ZoneError::none) {
        return errno_of(request.refusal);
    }
    if (const int error = table_.make_durable(); error != 0) {
        return error;
    }
    // It has taken place; that the room is not given back is no failure of it.
    static_cast<void>(discard_unwritten(request));
    return 0;
}

// What lies beyond the write pointer becomes readable, and must not be a write that was never answered.
int ZonedDevice::begin_finish(DeviceRequest& request) {
    if (const int error = discard_unwritten(request); error != 0) {
        return error;
    }
    {
        const std::lock_guard lock(table_mutex_);
        request.refusal = manage(request);
    }
    return request.refusal != ZoneError::none ? errno_of(request.refusal) : table_.make_durable();
}

Extent ZonedDevice::unwritten_part(DeviceOperation operation, ZoneId id) const {
    const Zone zone = zones_.zone(id);
    const bool can_be_written = zone.is_open() || zone.is_openable();
    // Of a sequential-write-preferred zone all can be read: only a reset says that nothing is in it.
    const bool meant = operation == DeviceOperation::reset_zone
                           ? zone.written == Bytes{0}
                           : zone.type == ZoneType::sequential_write_required;
    if (!zone.has_write_pointer() || !can_be_written || !meant) {
        return {};
    }
    return {.offset = geometry_.start_of(id) + zone.written,
            .length = geometry_.length_of(id) - zone.written};
}

int ZonedDevice::discard_unwritten(const DeviceRequest& request) {
    Extent run;
    int error = 0;
    const auto discard_run = [&] {
        if (run.length > Bytes{0} && error == 0) {
            const std::uint64_t offset = data_offset_ + run.offset.value;
            error = image_.file().discard(offset, run.length.value);
            // A reset gives room back, which zeroes do not.
            if (error == EOPNOTSUPP && request.operation == DeviceOperation::finish_zone) {
                error = write_zeroes(image_.file(), offset, run.length.value);
            }
        }
    };
    for_each_zone(request, [&](ZoneId id) {
        std::unique_lock lock(table_mutex_);
        const Extent part =
            is_meant(request, zones_.zone(id)) ? unwritten_part(request.operation, id) : Extent{};
        lock.unlock();
        if (part.offset == run.end()) {
            run.length += part.length;
        } else if (part.length > Bytes{0}) {
            discard_run();
            run = part;
        }
    });
    discard_run();
    return error;
}

// Calls change(), which gives what stands against it, and has the zone written with the next flush.
template <class Change>
ZoneError ZonedDevice::change_zone(ZoneId zone, Change change) {
    if (zone.value >= geometry_.zone_count()) {
        return ZoneError::out_of_range;
    }
    const std::lock_guard lock(table_mutex_);
    const ZoneError error = change(zones_.zone(zone));
    if (error == ZoneError::none) {
        table_.mark_changed(zone, zone);
        keep(zone, {});
    }
    return error;
}

ZoneError ZonedDevice::degrade(ZoneId zone, ZoneCondition to) {
    return change_zone(zone, [&](const Zone& now) {
        if (now.condition == ZoneCondition::offline) {
            return ZoneError::offline;
        }
        zones_.degrade(zone, to);
        return ZoneError::none;
    });
}

ZoneError ZonedDevice::recommend_reset(ZoneId zone) {
    return change_zone(zone, [&](const Zone& now) {
        if (!now.has_write_pointer()) {
            return ZoneError::invalid_field;
        }
        zones_.recommend_reset(zone);
        return ZoneError::none;
    });
}

}  // namespace reflux
