#include "backend/map/translated_disk.h"

#include <algorithm>
#include <array>

namespace reflux::map {

Result<std::unique_ptr<TranslatedDisk>> TranslatedDisk::open(LowerDisk& disk, const MapLayout& layout,
                                                             std::span<const ZoneState> zones,
                                                             const TranslatedDiskOptions& options) {
    REFLUX_TRY(auto loaded, MapStore::load(disk, layout, is_never_used(layout, zones)));
    REFLUX_TRY(auto translation, Translation::make(std::move(loaded.map), zones));
    constexpr std::uint64_t copied_at_once = mebibytes(1).value;
    REFLUX_TRY(auto buffer, io::BufferPool::make(std::min(copied_at_once, layout.zone_size().value), 1));
    auto made = std::unique_ptr<TranslatedDisk>(new TranslatedDisk(
        disk, std::move(translation), std::move(loaded.store), std::move(buffer), options));
    if (made->generation_ == 0) {
        if (const int error = made->commit(); error != 0) {
            return fail_errno("write the translation's first metadata", error);
        }
    }
    return made;
}

TranslatedDisk::TranslatedDisk(LowerDisk& disk, Translation translation, MapStore store,
                               io::BufferPool buffer, const TranslatedDiskOptions& options)
    : disk_(disk),
      layout_(translation.layout()),
      options_(options),
      chunk_locks_(std::make_unique<std::shared_mutex[]>(layout_.chunk_count())),
      store_(std::move(store)),
      copy_buffer_(std::move(buffer)),
      translation_(std::move(translation)),
      generation_(store_.generation()) {
    note_request();
}

void TranslatedDisk::note_request() {
    last_request_.store(std::chrono::steady_clock::now().time_since_epoch(), std::memory_order_relaxed);
}

// Calls work(chunk, byte in it, byte in the range, length) for the chunks of a range until one fails.
template <class Work>
int TranslatedDisk::for_chunks(std::uint64_t offset, std::uint64_t length, Work work) {
    note_request();
    const std::uint64_t chunk_size = layout_.zone_size().value;
    int error = 0;
    for (std::uint64_t done = 0; done < length && error == 0;) {
        const std::uint64_t at = (offset + done) % chunk_size;
        const std::uint64_t part = std::min(length - done, chunk_size - at);
        error = work((offset + done) / chunk_size, at, done, part);
        done += part;
    }
    return error;
}

int TranslatedDisk::read(std::uint64_t offset, std::span<std::byte> buffer) {
    return for_chunks(offset, buffer.size(), [&](auto chunk, auto at, auto done, auto part) {
        const std::shared_lock chunk_lock(chunk_locks_[chunk]);
        return read_chunk(chunk, at, buffer.subspan(done, part));
    });
}

int TranslatedDisk::read_chunk(std::uint64_t chunk, std::uint64_t at, std::span<std::byte> buffer) {
    while (!buffer.empty()) {
        const std::uint64_t block = at / block_size;
        const std::uint64_t end = (at + buffer.size() + block_size - 1) / block_size;
        std::unique_lock lock(mutex_);
        const BlockRun run = translation_.read(chunk, block, end - block);
        lock.unlock();
        const std::uint64_t bytes =
            std::min<std::uint64_t>(buffer.size(), (run.block + run.count) * block_size - at);
        const auto part = buffer.first(bytes);
        if (!run.zone) {
            std::ranges::fill(part, std::byte{});
        } else if (const int error = disk_.read({offset_in(*run.zone, at)}, part); error != 0) {
            return error;
        }
        at += bytes;
        buffer = buffer.subspan(bytes);
    }
    return 0;
}

int TranslatedDisk::write(std::uint64_t offset, std::span<std::byte> buffer, MapBlock scratch) {
    return for_chunks(offset, buffer.size(), [&](auto chunk, auto at, auto done, auto part) {
        auto rest = buffer.subspan(done, part);
        while (!rest.empty()) {
            std::unique_lock chunk_lock(chunk_locks_[chunk]);
            const Progress progress = write_chunk(chunk, at, rest, scratch);
            chunk_lock.unlock();
            at += progress.bytes;
            rest = rest.subspan(progress.bytes);
            // Without the chunk's lock: reclaim may need it to free a zone.
            const int error = progress.waits ? wait_for_zone() : progress.error;
            if (error != 0) {
                return error;
            }
        }
        return 0;
    });
}

TranslatedDisk::Progress TranslatedDisk::write_chunk(std::uint64_t chunk, std::uint64_t at,
                                                     std::span<std::byte> buffer, MapBlock scratch) {
    Progress all;
    while (all.bytes < buffer.size()) {
        const std::uint64_t byte = at + all.bytes;
        const auto rest = buffer.subspan(all.bytes);
        const bool is_whole = byte % block_size == 0 && rest.size() >= block_size;
        const Progress part =
            is_whole
                ? write_blocks(chunk, byte / block_size, rest.first(rest.size() / block_size * block_size))
                : write_part_of_block(chunk, byte,
                                      rest.first(std::min(rest.size(), block_size - byte % block_size)),
                                      scratch);
        all.bytes += part.bytes;
        if (part.error != 0 || part.waits) {
            all.error = part.error;
            all.waits = part.waits;
            break;
        }
    }
    return all;
}

TranslatedDisk::Progress TranslatedDisk::write_part_of_block(std::uint64_t chunk, std::uint64_t at,
                                                             std::span<std::byte> bytes, MapBlock scratch) {
    const std::uint64_t block = at / block_size;
    if (const int error = read_chunk(chunk, block * block_size, scratch); error != 0) {
        return {.error = error};
    }
    std::ranges::copy(bytes, scratch.begin() + static_cast<std::ptrdiff_t>(at % block_size));
    Progress progress = write_blocks(chunk, block, scratch);
    progress.bytes = progress.bytes == 0 ? 0 : bytes.size();
    return progress;
}

TranslatedDisk::Progress TranslatedDisk::write_blocks(std::uint64_t chunk, std::uint64_t block,
                                                      std::span<std::byte> bytes) {
    Progress progress;
    while (progress.bytes < bytes.size()) {
        const auto rest = bytes.subspan(progress.bytes);
        std::unique_lock lock(mutex_);
        if (broken_ != 0) {
            progress.error = EIO;
            break;
        }
        const auto run =
            translation_.place(chunk, block + progress.bytes / block_size, rest.size() / block_size);
        lock.unlock();
        if (!run) {
            progress.waits = true;
            break;
        }
        const auto part = rest.first(run->count * block_size);
        progress.error = disk_.write({offset_in(*run->zone, run->block * block_size)}, part);
        if (progress.error != 0) {
            break;
        }
        lock.lock();
        translation_.written(chunk, *run);
        progress.bytes += part.size();
        if (translation_.is_below(options_.thresholds.idle)) {
            wanted_.notify_all();
        }
    }
    return progress;
}

int TranslatedDisk::wait_for_zone() {
    std::unique_lock lock(mutex_);
    const std::uint64_t failures = reclaim_failures_;
    const std::uint64_t begun = commits_begun_;
    ++waiting_writes_;
    wanted_.notify_all();
    zone_freed_.wait(lock, [&] {
        const auto summary = translation_.summary();
        return summary.random_free > 0 || broken_ != 0 || reclaim_failures_ != failures ||
               (summary.sequential_free > 0 && commits_begun_ != begun);
    });
    --waiting_writes_;
    if (broken_ != 0) {
        return EIO;
    }
    return reclaim_failures_ != failures ? reclaim_error_ : 0;
}

int TranslatedDisk::discard(std::uint64_t offset, std::uint64_t length) {
    const std::uint64_t first = (offset + block_size - 1) / block_size * block_size;
    const std::uint64_t end = (offset + length) / block_size * block_size;
    return for_chunks(first, end > first ? end - first : 0, [&](auto chunk, auto at, auto, auto part) {
        const std::unique_lock chunk_lock(chunk_locks_[chunk]);
        const std::lock_guard lock(mutex_);
        if (broken_ != 0) {
            return EIO;
        }
        translation_.discard(chunk, at / block_size, part / block_size);
        return 0;
    });
}

int TranslatedDisk::clear(std::uint64_t offset, std::uint64_t length, MapBlock scratch) {
    static std::array<std::byte, block_size> zeroes{};  // write() does not change it
    const std::uint64_t end = offset + length;
    const std::uint64_t first = std::min(end, (offset + block_size - 1) / block_size * block_size);
    const std::uint64_t last = std::max(first, end / block_size * block_size);
    int error = write(offset, std::span(zeroes).first(first - offset), scratch);
    if (error == 0) {
        error = discard(first, last - first);
    }
    return error != 0 ? error : write(last, std::span(zeroes).first(end - last), scratch);
}

int TranslatedDisk::flush() {
    note_request();
    return commit();
}

int TranslatedDisk::commit() {
    std::unique_lock lock(mutex_);
    const std::uint64_t arrived = commits_begun_;
    lock.unlock();
    const std::lock_guard only_one(commit_mutex_);
    lock.lock();
    if (broken_ != 0) {
        return EIO;
    }
    if (commits_begun_ != arrived) {
        return commit_error_;  // one that began after this came has ended
    }
    ++commits_begun_;
    const bool changed = store_.snapshot(translation_.map());
    if (changed) {
        translation_.begin_commit();
    }
    lock.unlock();
    const int error = changed ? store_.write_out(disk_) : disk_.flush();
    lock.lock();
    if (changed) {
        translation_.end_commit(error == 0);
        if (error != 0) {
            store_.take_back(translation_.map());
        }
    }
    broken_ = store_.is_broken() ? error : 0;
    commit_error_ = error;
    generation_ = store_.generation();
    zone_freed_.notify_all();
    wanted_.notify_all();
    return error;
}

}  // namespace reflux::map
