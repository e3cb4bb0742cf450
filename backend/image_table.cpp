#include "backend/image_table.h"

#include <algorithm>

namespace reflux {
namespace {

// Blocks that one sync of the data serves. More changed ones are written in several goes: their snapshot must
// be older than the sync, and room for all would be as much memory as the zones themselves.
constexpr std::size_t most_at_once = 128;

}  // namespace

ImageTable::ImageTable(ImageFile& file, TableState state, const ZoneTable& zones, std::mutex& zones_mutex)
    : file_(file),
      zones_(zones),
      zones_mutex_(zones_mutex),
      changed_(state.newest_slot.size()),
      first_changed_(changed_.size()),
      sequence_(state.sequence),
      newest_slot_(std::move(state.newest_slot)),
      taken_(std::min(newest_slot_.size(), most_at_once)),
      to_rewrite_(std::move(state.to_rewrite)) {
    unsynced_.reserve(taken_.size());
    std::ranges::for_each(to_rewrite_, [this](std::uint64_t index) { mark_block(index); });
}

void ImageTable::mark_changed(ZoneId first, ZoneId last) {
    for (std::uint64_t index = table_block_of(first); index <= table_block_of(last); ++index) {
        mark_block(index);
    }
}

void ImageTable::mark_block(std::uint64_t index) {
    if (!changed_[index]) {
        changed_[index] = true;
        ++changed_count_;
        first_changed_ = std::min(first_changed_, index);
    }
}

int ImageTable::commit() {
    std::unique_lock lock(mutex_);
    const std::uint64_t mine = ++asked_;
    while (covered_ < mine) {
        if (committing_) {
            committed_.wait(lock);
            continue;
        }
        committing_ = true;
        const std::uint64_t covers = asked_;
        lock.unlock();
        commit_alone();
        lock.lock();
        committing_ = false;
        covered_ = covers;
        committed_.notify_all();
    }
    return broken();
}

std::uint64_t ImageTable::asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
}

int ImageTable::make_durable() {
    const int error = commit();
    if (error != 0) {
        return error;
    }
    // What it makes durable is noted by the next commit's own sync.
    return latch(file_.sync());
}

int ImageTable::latch(int error) {
    int none = 0;
    if (error != 0) {
        broken_.compare_exchange_strong(none, error);
    }
    return error != 0 ? error : broken();
}

int ImageTable::make_whole() {
    if (const int error = commit(); error != 0 || to_rewrite_.empty()) {
        return error != 0 ? error : make_durable();
    }
    {
        const std::lock_guard lock(zones_mutex_);
        std::ranges::for_each(to_rewrite_, [this](std::uint64_t index) { mark_block(index); });
        to_rewrite_.clear();
    }
    return make_durable();
}

void ImageTable::commit_alone() {
    std::uint64_t next = 0;
    if (sync_failed_elsewhere_.exchange(false)) {
        latch(sync());
    }
    while (broken() == 0) {
        next = take_changed(next);
        if (taken_count_ == 0) {
            return;
        }
        int error = sync();
        if (error == 0) {
            error = write_taken();
        }
        latch(error);
    }
}

std::uint64_t ImageTable::take_changed(std::uint64_t index) {
    taken_count_ = 0;
    const std::lock_guard lock(zones_mutex_);
    index = std::max(index, first_changed_);
    for (; changed_count_ > 0 && index < changed_.size() && taken_count_ < taken_.size(); ++index) {
        if (changed_[index]) {
            changed_[index] = false;
            --changed_count_;
            Taken& taken = taken_[taken_count_++];
            taken.index = index;
            encode_table_block(zones_, index, taken.block);
        }
    }
    if (changed_count_ == 0) {
        first_changed_ = changed_.size();
    }
    return index;
}

int ImageTable::write_taken() {
    ++sequence_;
    for (Taken& taken : std::span(taken_).first(taken_count_)) {
        seal_table_block(taken.block, sequence_);
        const std::size_t slot = newest_slot_[taken.index] ? 0 : 1;
        for (std::size_t copy = 0; copy < table_copies; ++copy) {
            const Bytes offset = table_offset(taken.index, slot, copy);
            if (const int error = file_.write(offset.value, taken.block); error != 0) {
                return error;
            }
        }
        unsynced_.push_back(taken.index);
    }
    return 0;
}

int ImageTable::sync() {
    if (const int error = file_.sync(); error != 0) {
        return error;
    }
    for (const std::uint64_t index : unsynced_) {
        newest_slot_[index] = !newest_slot_[index];
    }
    unsynced_.clear();
    return 0;
}

}  // namespace reflux
