// Append and zone management of the zoned disk.
#include "backend/zoned_device.h"

namespace reflux {
namespace {

// Which zones a command for all zones means: ZBC-2, the ALL bit of each command.
bool applies_to_all(DeviceOperation operation, ZoneCondition condition) {
    const bool is_open =
        condition == ZoneCondition::implicit_open || condition == ZoneCondition::explicit_open;
    const bool is_active = is_open || condition == ZoneCondition::closed;
    switch (operation) {
        case DeviceOperation::open_zone:
            return condition == ZoneCondition::closed;
        case DeviceOperation::close_zone:
            return is_open;
        case DeviceOperation::finish_zone:
            return is_active;
        case DeviceOperation::reset_zone:
            return is_active || condition == ZoneCondition::full;
        default:
            return false;
    }
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
    return {.offset = {append ? request.placed_at : request.offset}, .length = {request.buffer.size()}};
}

ZoneError ZonedDevice::check_append(DeviceRequest& request) const {
    if (request.offset >= geometry_.size().value) {
        return ZoneError::out_of_range;
    }
    const ZoneId id = geometry_.zone_of({request.offset});
    const Zone& zone = zones_.zone(id);
    if (zone.type != ZoneType::sequential_write_required || geometry_.start_of(id).value != request.offset) {
        return ZoneError::invalid_field;
    }
    request.placed_at = request.offset + zone.written.value;
    return zones_.check_write(data_extent(request));
}

ZoneError ZonedDevice::manage(DeviceRequest& request) {
    const bool named = !request.all_zones;
    if (named && request.offset % geometry_.zone_size().value != 0) {
        return ZoneError::invalid_field;
    }
    ZoneError error = ZoneError::none;
    for_each_zone(request, [&](ZoneId id) {
        const bool meant = named || applies_to_all(request.operation, zones_.zone(id).condition);
        if (meant && error == ZoneError::none) {
            error = manage_zone(request.operation, id);
        }
    });
    return error;
}

ZoneError ZonedDevice::manage_zone(DeviceOperation operation, ZoneId zone) {
    ZoneError error = ZoneError::none;
    switch (operation) {
        case DeviceOperation::open_zone:
            error = zones_.open(zone);
            break;
        case DeviceOperation::close_zone:
            error = zones_.close(zone);
            break;
        case DeviceOperation::finish_zone:
            error = zones_.finish(zone);
            break;
        default:
            error = zones_.reset(zone);
    }
    if (error == ZoneError::none) {
        table_.mark_changed(zone, zone);
    }
    return error;
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
    if (const int error = discard_unwritten(request); error != 0 && error != EOPNOTSUPP) {
        return error;
    }
    {
        const std::lock_guard lock(table_mutex_);
        request.refusal = manage(request);
    }
    return request.refusal != ZoneError::none ? errno_of(request.refusal) : table_.make_durable();
}

Extent ZonedDevice::unwritten_part(DeviceOperation operation, ZoneId id) const {
    const Zone& zone = zones_.zone(id);
    const bool can_be_written = zone.condition != ZoneCondition::full &&
                                zone.condition != ZoneCondition::read_only &&
                                zone.condition != ZoneCondition::offline;
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
            error = image_.file().discard(data_offset_ + run.offset.value, run.length.value);
        }
    };
    for_each_zone(request, [&](ZoneId id) {
        std::unique_lock lock(table_mutex_);
        const Extent part = unwritten_part(request.operation, id);
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

}  // namespace reflux
