#include "backend/zoned_device.h"

#include <unistd.h>

namespace reflux {
namespace {

Extent extent_of(const DeviceRequest& request) {
    return {.offset = {request.offset}, .length = {request.buffer.size()}};
}

}  // namespace

Result<std::unique_ptr<ZonedDevice>> ZonedDevice::open(const std::string& path,
                                                       const DeviceOptions& options) {
    REFLUX_TRY(auto opened, Image::open(path));
    REFLUX_TRY(auto engine, io::make_engine(options.engine, {.fd = opened.image.fd(),
                                                             .threads = options.threads,
                                                             .direct = options.direct}));
    REFLUX_CHECK(opened.image.mark_in_use());
    return std::unique_ptr<ZonedDevice>(new ZonedDevice(std::move(opened), std::move(engine)));
}

ZonedDevice::ZonedDevice(Image::Opened opened, std::unique_ptr<io::Engine> engine)
    : image_(std::move(opened.image)),
      geometry_(opened.zones.geometry()),
      data_offset_(image_.superblock().data_offset.value),
      zones_(std::move(opened.zones)),
      changed_blocks_(table_block_count(geometry_), opened.zones_changed),
      changed_count_(opened.zones_changed ? changed_blocks_.size() : 0),
      in_flight_(engine->max_in_flight()),
      faults_(std::make_unique<io::Faults>()),
      engine_(io::with_faults(std::move(engine), *faults_, data_offset_)) {}

ZoneError ZonedDevice::check(const DeviceRequest& request) const {
    if (request.operation == io::Operation::flush) {
        return ZoneError::none;
    }
    const std::lock_guard lock(table_mutex_);
    return request.operation == io::Operation::read ? zones_.check_read(extent_of(request))
                                                    : zones_.check_write(extent_of(request));
}

void ZonedDevice::submit(DeviceRequest& request) {
    if (const auto refused = check(request); refused != ZoneError::none) {
        finish(request, errno_of(refused));
        return;
    }
    auto& work = request.work_;
    work.operation = request.operation;
    work.offset = data_offset_ + request.offset;
    work.buffer = request.buffer;
    work.begin = on_begin;
    work.complete = on_complete;
    work.device = this;
    work.owner = &request;
    work.slot = in_flight_.begin(request.operation, request.offset, request.buffer.size());
    engine_->submit(work);
}

int ZonedDevice::on_begin(io::Request& request) {
    auto& work = static_cast<DeviceRequest::Work&>(request);
    thread_local const pid_t tid = ::gettid();
    work.device->in_flight_.claim(work.slot, tid);
    return work.operation == io::Operation::flush ? work.device->write_changed_zones() : 0;
}

void ZonedDevice::on_complete(io::Request& request, int error) {
    auto& work = static_cast<DeviceRequest::Work&>(request);
    ZonedDevice& device = *work.device;
    DeviceRequest& owner = *work.owner;
    if (error == 0 && owner.operation == io::Operation::write) {
        device.record_write(extent_of(owner));
    }
    // The slot is free before the answer goes out: whoever gets the answer may send the next request at once.
    device.in_flight_.end(work.slot);
    device.finish(owner, error);
}

void ZonedDevice::finish(DeviceRequest& request, int error) {
    const auto count = [](std::atomic<std::uint64_t>& counter, std::uint64_t by) {
        counter.fetch_add(by, std::memory_order_relaxed);
    };
    switch (request.operation) {
        case io::Operation::read:
            count(counters_.reads, 1);
            count(counters_.read_bytes, error == 0 ? request.buffer.size() : 0);
            break;
        case io::Operation::write:
            count(counters_.writes, 1);
            count(counters_.written_bytes, error == 0 ? request.buffer.size() : 0);
            break;
        case io::Operation::flush:
            count(counters_.flushes, 1);
            break;
    }
    count(counters_.errors, error == 0 ? 0 : 1);
    count(counters_.completed, 1);
    request.done(request, error);
}

void ZonedDevice::record_write(Extent extent) {
    if (extent.length == Bytes{0}) {
        return;
    }
    const std::lock_guard lock(table_mutex_);
    if (!zones_.record_write(extent)) {
        return;
    }
    const auto last = table_block_of(geometry_.zone_of(extent.end() - Bytes{1}));
    for (auto block = table_block_of(geometry_.zone_of(extent.offset)); block <= last; ++block) {
        mark_changed(block);
    }
}

void ZonedDevice::mark_changed(std::uint64_t block) {
    if (!changed_blocks_[block]) {
        changed_blocks_[block] = true;
        ++changed_count_;
    }
}

std::optional<std::uint64_t> ZonedDevice::take_changed_block(std::uint64_t index, ImageBlock& block) {
    const std::lock_guard lock(table_mutex_);
    for (; changed_count_ > 0 && index < changed_blocks_.size(); ++index) {
        if (changed_blocks_[index]) {
            changed_blocks_[index] = false;
            --changed_count_;
            block = encode_table_block(zones_, index);
            return index;
        }
    }
    return std::nullopt;
}

// A second flush waits until the blocks that the first one took are written: its own fdatasync covers them
// then.
int ZonedDevice::write_changed_zones() {
    const std::lock_guard writing(metadata_mutex_);
    ImageBlock block;
    for (auto index = take_changed_block(0, block); index; index = take_changed_block(*index + 1, block)) {
        if (const int error = image_.write_table_block(*index, block); error != 0) {
            const std::lock_guard lock(table_mutex_);
            mark_changed(*index);
            return error;
        }
    }
    return 0;
}

Status ZonedDevice::close() {
    engine_->drain();
    if (const int error = write_changed_zones(); error != 0) {
        return fail_errno("write the zone table of " + image_.path(), error);
    }
    return image_.close();
}

DeviceCounters ZonedDevice::counters() const {
    const auto get = [](const std::atomic<std::uint64_t>& counter) {
        return counter.load(std::memory_order_relaxed);
    };
    return {.reads = get(counters_.reads),
            .writes = get(counters_.writes),
            .flushes = get(counters_.flushes),
            .read_bytes = get(counters_.read_bytes),
            .written_bytes = get(counters_.written_bytes),
            .errors = get(counters_.errors),
            .completed = get(counters_.completed)};
}

ZoneSummary ZonedDevice::zone_summary() const {
    const std::lock_guard lock(table_mutex_);
    return zones_.summary();
}

std::size_t ZonedDevice::report(ZoneId first, std::span<ZoneDescriptor> out) const {
    const std::lock_guard lock(table_mutex_);
    return zones_.report(first, out);
}

}  // namespace reflux
