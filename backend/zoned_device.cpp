#include "backend/zoned_device.h"

#include <algorithm>

#include <unistd.h>

namespace reflux {
namespace {

// How the engine sees it.
io::Operation io_operation_of(DeviceOperation operation) {
    switch (operation) {
        case DeviceOperation::read:
            return io::Operation::read;
        case DeviceOperation::write:
        case DeviceOperation::append:
        case DeviceOperation::discard:
            return io::Operation::write;
        default:
            return io::Operation::flush;
    }
}

bool is_write(DeviceOperation operation) {
    return operation == DeviceOperation::write || operation == DeviceOperation::append;
}

bool is_management(DeviceOperation operation) {
    return operation >= DeviceOperation::open_zone;
}

// Puts the zones that a daemon which was killed has left in the place of those of the last flush; of each the
// length of its last write. Nothing, where there are none.
std::vector<Bytes> take_kept(const ZoneMemory& memory, Image::Opened& opened) {
    auto kept = opened.image.was_unclean() ? memory.kept(opened.image.superblock()) : std::nullopt;
    if (!kept) {
        return {};
    }
    auto zones = ZoneTable::restore(opened.zones.geometry(), kept->zones);
    if (!zones) {
        return {};
    }
    zones->power_cycle();
    opened.zones = *std::move(zones);
    return std::move(kept->last_writes);
}

}  // namespace

Result<std::unique_ptr<ZonedDevice>> ZonedDevice::open(const std::string& path,
                                                       const DeviceOptions& options) {
    REFLUX_TRY(auto opened, Image::open(path));
    REFLUX_TRY(auto engine, io::make_engine(options.engine, {.fd = opened.image.fd(),
                                                             .threads = options.threads,
                                                             .direct = options.direct,
                                                             .calls = options.calls}));
    // A translation's map is as of the last flush: the zones that it lies in have to be, too.
    if (options.zone_memory.empty() || opened.image.superblock().translated) {
        return start(std::move(opened), std::move(engine));
    }
    REFLUX_TRY(auto memory, ZoneMemory::open(options.zone_memory, opened.image.superblock()));
    auto last_writes = take_kept(*memory, opened);
    // Before the superblock says so: killed in between, the next daemon finds all of this.
    memory->begin(opened.zones, opened.image.superblock().sequence + 1);
    REFLUX_TRY(auto device, start(std::move(opened), std::move(engine)));
    device->memory_ = std::move(memory);
    device->repeatable_ = std::move(last_writes);
    if (device->zones_were_kept()) {
        const std::lock_guard lock(device->table_mutex_);
        device->table_.mark_changed({0}, {device->geometry_.zone_count() - 1});
    }
    return device;
}

Status ZonedDevice::check_goes_on() const {
    if (!image_was_unclean() || zones_were_kept()) {
        return {};
    }
    return fail(
        ErrorKind::invalid_input,
        fmt::format("{} is as of its last flush, for its daemon was killed and its zones were not kept{}: "
                    "a host that still has the disk would miss what it wrote since; take the device away, "
                    "and serve the image anew",
                    image_path(), is_translated() ? " (those of a translated disk are not)" : ""));
}

Result<std::unique_ptr<ZonedDevice>> ZonedDevice::start(Image::Opened opened,
                                                        std::unique_ptr<io::Engine> engine) {
    REFLUX_CHECK(opened.image.mark_in_use());
    return std::unique_ptr<ZonedDevice>(new ZonedDevice(std::move(opened), std::move(engine)));
}

ZonedDevice::ZonedDevice(Image::Opened opened, std::unique_ptr<io::Engine> engine)
    : image_(std::move(opened.image)),
      geometry_(opened.zones.geometry()),
      data_offset_(image_.superblock().data_offset.value),
      zones_(std::move(opened.zones)),
      table_(image_.file(), std::move(opened.table), zones_, table_mutex_),
      findings_(std::move(opened.findings.repairable)),
      in_flight_(engine->max_in_flight()),
      faults_(std::make_unique<io::Faults>()),
      engine_(io::with_faults(std::move(engine), *faults_, data_offset_)) {}

void ZonedDevice::offer_memory(std::span<std::byte> memory) {
    {
        const std::lock_guard lock(table_mutex_);
        offered_memory_ = memory;
    }
    engine_->offer_memory(memory);
}

std::span<const std::byte> ZonedDevice::offered_memory() const {
    const std::lock_guard lock(table_mutex_);
    return offered_memory_;
}

void ZonedDevice::submit(DeviceRequest& request) {
    auto& work = request.work_;
    work.device = this;
    work.owner = &request;
    work.done_before = {};
    request.refusal = ZoneError::none;
    // Also while it waits for its turn: that is part of its age.
    work.slot = in_flight_.begin(request.operation, request.offset, length_of(request));
    std::unique_lock lock(table_mutex_);
    work.has_turn = claim_zones(request);
    if (work.has_turn && !turns_.enter(work)) {
        return;  // whoever leaves begins it
    }
    request.refusal = check_and_open(request);
    lock.unlock();
    begin(request);
}

// False: it needs no turn; what is not on the disk is refused soon.
bool ZonedDevice::claim_zones(DeviceRequest& request) const {
    auto& work = request.work_;
    work.beyond_pointer = false;
    if (request.operation == DeviceOperation::flush) {
        return false;
    }
    if (is_management(request.operation) && request.all_zones) {
        work.exclusive = true;
        work.first = {0};
        work.last = {geometry_.zone_count() - 1};
        return true;
    }
    const bool moves_data = !is_management(request.operation);
    const Extent extent{.offset = {request.offset}, .length = {moves_data ? length_of(request) : 1}};
    if (!geometry_.contains(extent) || extent.length == Bytes{0}) {
        return false;
    }
    work.first = geometry_.zone_of(extent.offset);
    const bool in_one_zone = !moves_data || request.operation == DeviceOperation::append;
    work.last = in_one_zone ? work.first : geometry_.zone_of(extent.end() - Bytes{1});
    if (request.operation == DeviceOperation::read) {
        work.exclusive = false;
        work.beyond_pointer = reaches_beyond_pointer(extent);
        return work.beyond_pointer;  // that must not move meanwhile
    }
    work.exclusive = in_one_zone || geometry_.type_of(work.last) == ZoneType::sequential_write_required;
    return true;
}

bool ZonedDevice::reaches_beyond_pointer(Extent extent) const {
    bool reaches = false;
    geometry_.for_each_piece(extent, [&](const ZonePiece& piece) {
        const Zone zone = zones_.zone(piece.zone);
        reaches |= zone.type == ZoneType::sequential_write_required &&
                   zone.written < piece.offset_in_zone + piece.length;
    });
    return reaches;
}

void ZonedDevice::begin(DeviceRequest& request) {
    auto& work = request.work_;
    const bool in_memory =
        request.operation == DeviceOperation::open_zone || request.operation == DeviceOperation::close_zone;
    const bool is_lost = request.operation != DeviceOperation::read && table_.broken() != 0;
    if (in_memory || is_lost || request.refusal != ZoneError::none) {
        if (is_lost && request.refusal == ZoneError::none) {
            if (is_write(request.operation)) {
                end_write(request, EIO);
            }
            io_errors_.add(EIO);
        }
        in_flight_.end(work.slot);
        leave(work);
        finish(request, is_lost ? EIO : error_of_refusal(request));
        return;
    }
    const Extent extent = data_extent(request);
    work.operation = io_operation_of(request.operation);
    work.offset = data_offset_ + extent.offset.value;
    // Without data the engine does nothing but call on_begin, which is where a discard is made.
    work.buffer = request.operation == DeviceOperation::discard ? std::span<std::byte>{} : request.buffer;
    work.begin = on_begin;
    work.complete = on_complete;
    engine_->submit(work);
}

// To be called before the request is answered: with the next one of the caller there would be more of them
// than the engine takes.
void ZonedDevice::leave(DeviceRequest::Work& work) {
    if (!work.has_turn) {
        return;
    }
    std::unique_lock lock(table_mutex_);
    turns_.leave(work);
    while (ZoneTurn* turn = turns_.take_ready()) {
        DeviceRequest& next = *static_cast<DeviceRequest::Work*>(turn)->owner;
        next.refusal = check_and_open(next);
        lock.unlock();
        begin(next);
        lock.lock();
    }
}

ZoneError ZonedDevice::check_and_open(DeviceRequest& request) {
    switch (request.operation) {
        case DeviceOperation::read:
            return zones_.check_read(data_extent(request));
        case DeviceOperation::write:
            request.work_.done_before = done_before(request);
            return is_new(request) ? zones_.begin_write(new_extent(request)) : ZoneError::none;
        case DeviceOperation::discard:
            return zones_.check_discard(data_extent(request));
        case DeviceOperation::flush:
            return ZoneError::none;
        default:
            break;
    }
    if (const auto error = check_zone_named(request); error != ZoneError::none) {
        return error;
    }
    switch (request.operation) {
        case DeviceOperation::append:
            return begin_append(request);
        case DeviceOperation::open_zone:
        case DeviceOperation::close_zone:
            return manage(request);
        default:  // reset and finish change zones in their I/O thread, where the rest of them is done
            return ZoneError::none;
    }
}

int ZonedDevice::on_begin(io::Request& request) {
    auto& work = static_cast<DeviceRequest::Work&>(request);
    ZonedDevice& device = *work.device;
    thread_local const pid_t tid = ::gettid();
    device.in_flight_.claim(work.slot, tid);
    switch (work.owner->operation) {
        case DeviceOperation::flush:
            return device.table_.commit();  // the engine's sync makes it durable
        case DeviceOperation::discard:
            return work.owner->length == 0 ? 0
                                           : device.image_.file().discard(work.offset, work.owner->length);
        case DeviceOperation::finish_zone:
            return device.begin_finish(*work.owner);
        case DeviceOperation::reset_zone:
            return device.begin_reset(*work.owner);
        default:
            return 0;
    }
}

void ZonedDevice::on_complete(io::Request& request, int error) {
    auto& work = static_cast<DeviceRequest::Work&>(request);
    ZonedDevice& device = *work.device;
    DeviceRequest& owner = *work.owner;
    if (is_write(owner.operation)) {
        error = device.end_write(owner, error);
    }
    if (error == 0 && work.beyond_pointer) {
        device.clear_beyond_pointer(owner);
    }
    // A filesystem that makes no holes has not failed.
    const bool has_no_holes = owner.operation == DeviceOperation::discard && error == EOPNOTSUPP;
    if (owner.refusal == ZoneError::none && !has_no_holes) {
        device.io_errors_.add(error);
    }
    // It may have been the sync that was to make the table durable.
    if (error != 0 && work.operation == io::Operation::flush && owner.refusal == ZoneError::none) {
        device.table_.suspect();
    }
    // The slot is free before the answer goes out: whoever gets the answer may send the next request at once.
    device.in_flight_.end(work.slot);
    device.leave(work);
    device.finish(owner, error);
}

void ZonedDevice::finish(DeviceRequest& request, int error) {
    const auto count = [](std::atomic<std::uint64_t>& counter, std::uint64_t by) {
        counter.fetch_add(by, std::memory_order_relaxed);
    };
    switch (request.operation) {
        case DeviceOperation::read:
            count(counters_.reads, 1);
            count(counters_.read_bytes, error == 0 ? request.buffer.size() : 0);
            break;
        case DeviceOperation::write:
        case DeviceOperation::append:
            count(counters_.appends, request.operation == DeviceOperation::append ? 1 : 0);
            count(counters_.writes, 1);
            count(counters_.written_bytes, error == 0 ? request.buffer.size() : 0);
            break;
        case DeviceOperation::flush:
            count(counters_.flushes, 1);
            break;
        case DeviceOperation::discard:
            count(counters_.discards, 1);
            break;
        case DeviceOperation::open_zone:
            count(counters_.zone_opens, 1);
            break;
        case DeviceOperation::close_zone:
            count(counters_.zone_closes, 1);
            break;
        case DeviceOperation::finish_zone:
            count(counters_.zone_finishes, 1);
            break;
        case DeviceOperation::reset_zone:
            count(counters_.zone_resets, 1);
            break;
    }
    count(counters_.errors, error == 0 ? 0 : 1);
    count(counters_.completed, 1);
    request.done(request, error);
}

int ZonedDevice::end_write(DeviceRequest& request, int error) {
    if (!is_new(request)) {
        return error;
    }
    const Extent extent = new_extent(request);
    const std::lock_guard lock(table_mutex_);
    if (error != 0) {
        zones_.abandon_write(extent);
        return error;
    }
    if (zones_.record_write(extent)) {
        table_.mark_changed(geometry_.zone_of(extent.offset), geometry_.zone_of(extent.end() - Bytes{1}));
        const Bytes before = request.work_.done_before;
        geometry_.for_each_piece(extent,
                                 [&](const ZonePiece& piece) { keep(piece.zone, piece.length + before); });
    }
    geometry_.for_each_piece(extent, [&](const ZonePiece& piece) {
        if (request.refusal == ZoneError::none) {
            request.refusal = check_available(zones_.zone(piece.zone));
        }
    });
    return errno_of(request.refusal);
}

void ZonedDevice::clear_beyond_pointer(const DeviceRequest& request) const {
    const std::lock_guard lock(table_mutex_);
    std::size_t at = 0;
    geometry_.for_each_piece(data_extent(request), [&](const ZonePiece& piece) {
        const Zone zone = zones_.zone(piece.zone);
        const auto bytes = request.buffer.subspan(at, piece.length.value);
        at += bytes.size();
        if (zone.type == ZoneType::sequential_write_required) {
            const std::uint64_t written = std::max(zone.written, piece.offset_in_zone).value;
            const std::uint64_t kept = std::min(written - piece.offset_in_zone.value, piece.length.value);
            std::ranges::fill(bytes.subspan(kept), std::byte{});
        }
    });
}

Status ZonedDevice::close() {
    engine_->drain();
    if (const int error = table_.make_whole(); error != 0) {
        return fail_errno("write the zone table of " + image_.path(), error);
    }
    REFLUX_CHECK(image_.close());
    if (memory_) {
        memory_->remove();
    }
    return {};
}

DeviceCounters ZonedDevice::counters() const {
    const auto get = [](const std::atomic<std::uint64_t>& counter) {
        return counter.load(std::memory_order_relaxed);
    };
    return {.reads = get(counters_.reads),
            .writes = get(counters_.writes),
            .appends = get(counters_.appends),
            .flushes = get(counters_.flushes),
            .discards = get(counters_.discards),
            .read_bytes = get(counters_.read_bytes),
            .written_bytes = get(counters_.written_bytes),
            .zone_reports = get(reports_),
            .zone_opens = get(counters_.zone_opens),
            .zone_closes = get(counters_.zone_closes),
            .zone_finishes = get(counters_.zone_finishes),
            .zone_resets = get(counters_.zone_resets),
            .errors = get(counters_.errors),
            .completed = get(counters_.completed)};
}

ZoneSummary ZonedDevice::zone_summary() const {
    const std::lock_guard lock(table_mutex_);
    return zones_.summary();
}

ReportAnswer ZonedDevice::report_matching(const ReportRequest& request, std::span<ZoneDescriptor> out) const {
    reports_.fetch_add(1, std::memory_order_relaxed);
    const std::lock_guard lock(table_mutex_);
    return zones_.report_matching(request, out);
}

ZoneDescriptor ZonedDevice::describe(ZoneId zone) const {
    const std::lock_guard lock(table_mutex_);
    return zones_.describe(zone);
}

}  // namespace reflux
