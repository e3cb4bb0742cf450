#include "backend/translated_device.h"

#include "backend/translated_check.h"

#include <algorithm>

#include <pthread.h>
#include <unistd.h>

namespace reflux {
namespace {

// Threads wait for one request each; more of them than this no engine of ours makes use of.
constexpr std::size_t most_workers = 16;

// A request below that its maker waits for.
struct Awaited : DeviceRequest {
    std::mutex mutex;
    std::condition_variable ended;
    bool is_done = false;
    int error = 0;

    static void end(DeviceRequest& request, int with) {
        auto& self = static_cast<Awaited&>(request);
        // Told under the lock: the waiter must not go before this is through.
        const std::lock_guard lock(self.mutex);
        self.is_done = true;
        self.error = with;
        self.ended.notify_one();
    }
    int wait() {
        std::unique_lock lock(mutex);
        ended.wait(lock, [this] { return is_done; });
        return error;
    }
};

}  // namespace

int TranslatedDevice::Below::run(DeviceOperation operation, Bytes offset, std::span<std::byte> buffer) {
    Awaited request;
    request.operation = operation;
    request.offset = offset.value;
    request.buffer = buffer;
    request.done = Awaited::end;
    room_.acquire();
    device_.submit(request);
    const int error = request.wait();
    room_.release();
    return error;
}

int TranslatedDevice::Below::read(Bytes offset, std::span<std::byte> buffer) {
    return run(DeviceOperation::read, offset, buffer);
}

int TranslatedDevice::Below::write(Bytes offset, std::span<std::byte> buffer) {
    return run(DeviceOperation::write, offset, buffer);
}

int TranslatedDevice::Below::flush() {
    return run(DeviceOperation::flush, {}, {});
}

int TranslatedDevice::Below::reset(Bytes zone_start) {
    return run(DeviceOperation::reset_zone, zone_start, {});
}

Status TranslatedDevice::check(const ZonedGeometry& geometry) {
    const auto layout = map::MapLayout::make(geometry);
    return layout ? Status{} : Status(fail(layout.error()));
}

Result<std::unique_ptr<TranslatedDevice>> TranslatedDevice::start(ZonedDevice& lower,
                                                                  const TranslatedDeviceOptions& options) {
    REFLUX_TRY(const auto layout, map::MapLayout::make(lower.geometry()));
    const std::size_t threads = std::min(lower.max_in_flight(), most_workers);
    REFLUX_TRY(auto scratch, io::BufferPool::make(map::block_size, threads));
    auto made = std::unique_ptr<TranslatedDevice>(
        new TranslatedDevice(lower, lower.max_in_flight(), std::move(scratch)));
    auto disk = map::TranslatedDisk::open(made->below_, layout, zone_states(lower), options.disk);
    if (!disk) {
        return fail(disk.error().within(lower.image_path()));
    }
    made->disk_ = std::move(*disk);
    REFLUX_CHECK(made->start_threads(options));
    return made;
}

TranslatedDevice::TranslatedDevice(ZonedDevice& lower, std::size_t depth, io::BufferPool scratch)
    : lower_(lower), below_(lower), in_flight_(depth), scratch_(std::move(scratch)), ring_(depth) {}

TranslatedDevice::~TranslatedDevice() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    queued_or_stopping_.notify_all();
    workers_.clear();  // joins; reclaim goes on, for they may wait for it
}

Status TranslatedDevice::start_threads(const TranslatedDeviceOptions& options) {
    try {
        if (options.reclaim_thread) {
            reclaim_ = std::jthread([this](const std::stop_token& stop) { disk_->reclaim_until(stop); });
            ::pthread_setname_np(reclaim_.native_handle(), "refluxd-reclaim");
        }
        for (unsigned i = 0; i < scratch_.count() && !is_inline(); ++i) {
            workers_.emplace_back([this, i] { work(i); });
            // Here and not by itself: by its name a thread is known as soon as the device stands.
            ::pthread_setname_np(workers_.back().native_handle(), fmt::format("refluxd-map/{}", i).c_str());
        }
    } catch (const std::system_error& error) {
        return fail_errno("start a thread of the translation", error.code().value());
    }
    return {};
}

void TranslatedDevice::submit(DeviceRequest& request) {
    request.refusal = ZoneError::none;
    const Taken taken{.request = &request,
                      .slot = in_flight_.begin(request.operation, request.offset, length_of(request))};
    std::unique_lock lock(mutex_);
    ++unanswered_;
    if (!is_inline()) {
        ring_[(first_ + queued_) % ring_.size()] = taken;
        ++queued_;
        queued_or_stopping_.notify_one();
        return;
    }
    lock.unlock();
    run(taken, 0);
}

// No request: it is to end, and nothing is queued.
TranslatedDevice::Taken TranslatedDevice::take() {
    std::unique_lock lock(mutex_);
    queued_or_stopping_.wait(lock, [this] { return queued_ > 0 || stopping_; });
    if (queued_ == 0) {
        return {};
    }
    const Taken taken = ring_[first_];
    first_ = (first_ + 1) % ring_.size();
    --queued_;
    return taken;
}

void TranslatedDevice::work(unsigned index) {
    for (Taken taken = take(); taken.request != nullptr; taken = take()) {
        run(taken, index);
    }
}

void TranslatedDevice::run(const Taken& taken, std::size_t scratch) {
    thread_local const pid_t tid = ::gettid();
    in_flight_.claim(taken.slot, tid);
    finish(taken, perform(*taken.request, scratch));
}

int TranslatedDevice::perform(DeviceRequest& request, std::size_t scratch) {
    const bool has_range = request.operation == DeviceOperation::read ||
                           request.operation == DeviceOperation::write ||
                           request.operation == DeviceOperation::discard;
    if (request.operation == DeviceOperation::flush) {
        return disk_->flush();
    }
    if (!has_range) {
        request.refusal = ZoneError::invalid_field;
    } else if (request.offset > size().value || length_of(request) > size().value - request.offset) {
        request.refusal = ZoneError::out_of_range;
    }
    if (request.refusal != ZoneError::none) {
        return errno_of(request.refusal);
    }
    const auto block = scratch_.buffer(scratch).first<map::block_size>();
    if (request.operation == DeviceOperation::discard) {
        return disk_->clear(request.offset, request.length, block);
    }
    return request.operation == DeviceOperation::read ? disk_->read(request.offset, request.buffer)
                                                      : disk_->write(request.offset, request.buffer, block);
}

void TranslatedDevice::finish(const Taken& taken, int error) {
    DeviceRequest& request = *taken.request;
    in_flight_.end(taken.slot);
    {
        const std::lock_guard lock(mutex_);
        const bool reads = request.operation == DeviceOperation::read;
        const bool writes = request.operation == DeviceOperation::write;
        const std::uint64_t bytes = error == 0 ? request.buffer.size() : 0;
        counters_.reads += reads ? 1 : 0;
        counters_.read_bytes += reads ? bytes : 0;
        counters_.writes += writes ? 1 : 0;
        counters_.written_bytes += writes ? bytes : 0;
        counters_.flushes += request.operation == DeviceOperation::flush ? 1 : 0;
        counters_.discards += request.operation == DeviceOperation::discard ? 1 : 0;
        counters_.errors += error == 0 ? 0 : 1;
        ++counters_.completed;
    }
    request.done(request, error);
    const std::lock_guard lock(mutex_);
    if (--unanswered_ == 0) {
        idle_.notify_all();
    }
}

void TranslatedDevice::drain() {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return unanswered_ == 0; });
}

Status TranslatedDevice::close() {
    drain();
    reclaim_ = {};  // asks it to stop, and joins
    const int error = disk_->flush();
    return error == 0 ? Status{}
                      : Status(fail_errno("commit the translation of " + lower_.image_path(), error));
}

DeviceCounters TranslatedDevice::counters() const {
    const std::lock_guard lock(mutex_);
    return counters_;
}

}  // namespace reflux
