// Reclaim: takes random zones from chunks by copying these into sequential zones.
#include "backend/map/translated_disk.h"

#include <algorithm>

namespace reflux::map {
namespace {

// After a failure, or when what is wanted cannot be done yet.
constexpr std::chrono::milliseconds pause_time{200};

}  // namespace

std::string_view to_string(ReclaimPhase phase) {
    switch (phase) {
        case ReclaimPhase::idle:
            return "idle";
        case ReclaimPhase::waiting_for_chunk:
            return "waiting_for_chunk";
        case ReclaimPhase::copying:
            return "copying";
        case ReclaimPhase::committing:
            return "committing";
        case ReclaimPhase::resetting:
            return "resetting";
    }
    return "unknown";
}

// Under mutex_.
bool TranslatedDisk::is_wanted() const {
    if (broken_ != 0) {
        return false;
    }
    if (waiting_writes_ > 0 || translation_.has_resets() ||
        translation_.is_below(options_.thresholds.urgent)) {
        return true;
    }
    const auto quiet =
        std::chrono::steady_clock::now().time_since_epoch() - last_request_.load(std::memory_order_relaxed);
    return quiet >= options_.idle_after && translation_.is_below(options_.thresholds.idle);
}

void TranslatedDisk::reclaim_until(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        {
            std::unique_lock lock(mutex_);
            // Idleness comes by itself, without anybody who tells.
            const bool wanted =
                translation_.is_below(options_.thresholds.idle)
                    ? wanted_.wait_for(lock, stop, options_.idle_after, [this] { return is_wanted(); })
                    : wanted_.wait(lock, stop, [this] {
                          return is_wanted() || translation_.is_below(options_.thresholds.idle);
                      });
            if (!wanted || !is_wanted()) {
                continue;
            }
        }
        if (!reclaim_once()) {
            std::unique_lock lock(mutex_);
            wanted_.wait_for(lock, stop, pause_time, [] { return false; });
        }
    }
}

bool TranslatedDisk::reclaim_once() {
    const std::lock_guard only_one(reclaim_mutex_);
    std::unique_lock lock(mutex_);
    if (broken_ != 0) {
        return false;
    }
    const bool resets = translation_.has_resets();
    const auto chunk = translation_.pick();
    const bool given_up = translation_.has_given_up();
    lock.unlock();
    if (resets) {
        return finish_step(reset_zones());
    }
    if (!chunk && !given_up) {
        return false;
    }
    int error = chunk ? reclaim_chunk(*chunk) : 0;
    if (error == 0) {
        set_phase(ReclaimPhase::committing);
        error = commit();
    }
    return finish_step(error);
}

bool TranslatedDisk::finish_step(int error) {
    set_phase(ReclaimPhase::idle);
    if (error == 0) {
        return true;
    }
    const std::lock_guard lock(mutex_);
    ++counters_.errors;
    ++reclaim_failures_;
    reclaim_error_ = error;
    zone_freed_.notify_all();
    return false;
}

int TranslatedDisk::reclaim_chunk(std::uint64_t chunk) {
    set_phase(ReclaimPhase::waiting_for_chunk, chunk);
    const std::unique_lock chunk_lock(chunk_locks_[chunk]);
    std::unique_lock lock(mutex_);
    const auto plan = translation_.begin_reclaim(chunk);
    lock.unlock();
    if (!plan) {
        // It was changed meanwhile, or the commit that follows frees a sequential zone; else none ever will.
        lock.lock();
        const bool goes_on = translation_.has_given_up() || translation_.summary().sequential_free > 0;
        return goes_on ? 0 : ENOSPC;
    }
    set_phase(ReclaimPhase::copying, chunk);
    std::uint64_t done = plan->from;
    const int error = plan->target ? copy(*plan, done) : 0;
    lock.lock();
    if (error != 0) {
        translation_.abandon_reclaim(*plan, done);
        return error;
    }
    translation_.finish_reclaim(*plan);
    ++counters_.chunks;
    return 0;
}

// `done`: so far the target is written.
int TranslatedDisk::copy(const ReclaimPlan& plan, std::uint64_t& done) {
    const auto buffer = copy_buffer_.buffer(0);
    while (done < plan.end) {
        const std::uint64_t bytes = std::min<std::uint64_t>(buffer.size(), (plan.end - done) * block_size);
        const auto part = buffer.first(bytes);
        int error = read_chunk(plan.chunk, done * block_size, part);
        if (error == 0) {
            error = disk_.write({offset_in(*plan.target, done * block_size)}, part);
        }
        if (error != 0) {
            return error;
        }
        done += bytes / block_size;
        const std::lock_guard lock(mutex_);
        counters_.read_bytes += bytes;
        counters_.written_bytes += bytes;
    }
    return 0;
}

int TranslatedDisk::reset_zones() {
    set_phase(ReclaimPhase::resetting);
    for (;;) {
        std::unique_lock lock(mutex_);
        const auto zone = translation_.take_reset();
        lock.unlock();
        if (!zone) {
            return 0;
        }
        const int error = disk_.reset({offset_in(*zone, 0)});
        lock.lock();
        translation_.reset_done(*zone, error == 0);
        counters_.zones_reset += error == 0 ? 1 : 0;
        zone_freed_.notify_all();
        if (error != 0) {
            return error;
        }
    }
}

void TranslatedDisk::set_phase(ReclaimPhase phase, std::uint64_t chunk) {
    const std::lock_guard lock(mutex_);
    phase_ = phase;
    phase_chunk_ = chunk;
}

TranslationStatus TranslatedDisk::status() const {
    const std::lock_guard lock(mutex_);
    TranslationStatus status{.map = translation_.summary(),
                             .generation = generation_,
                             .phase = phase_,
                             .chunk = phase_chunk_,
                             .waiting_writes = waiting_writes_,
                             .is_urgent = translation_.is_below(options_.thresholds.urgent),
                             .broken = broken_,
                             .reclaim = counters_,
                             .thresholds = options_.thresholds};
    const std::uint64_t wanted = (options_.thresholds.idle * layout_.random_count() + 99) / 100;
    status.waiting_chunks = wanted - std::min(wanted, status.map.random_free);
    return status;
}

}  // namespace reflux::map
