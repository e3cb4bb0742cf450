#include "harness/observe/reclaim_record.h"

#include <algorithm>

namespace reflux::observe {
namespace {

constexpr std::size_t kept_inside = 16;  // first ones, and as many last ones
constexpr std::size_t kept_waits = 8;
constexpr std::size_t kept_frames = 40;
constexpr std::size_t most_owners = 512;

double duration_of(const evidence::TaskWait& wait) {
    return wait.duration_s.value_or(0);
}

}  // namespace

std::string TraceDevices::resolved(std::string device) const {
    if (!device.empty() && (device == upper_alias || device == upper_superblock)) {
        return upper;
    }
    if (!device.empty() && (device == lower_alias || device == lower_superblock)) {
        return lower;
    }
    return device;
}

std::string_view TraceDevices::side_of(std::string_view device) const {
    if (device.empty()) {
        return "unknown";
    }
    return device == upper ? "upper" : device == lower ? "lower" : "other";
}

void ShrinkerOwners::learn(std::string_view object, const std::string& device, bool certain) {
    if (object.empty() || device.empty()) {
        return;
    }
    const auto known = owners_.find(object);
    if (known == owners_.end()) {
        if (owners_.size() < most_owners) {
            owners_.emplace(object, Owner{.device = device, .certain = certain});
        }
    } else if (certain || !known->second.certain) {
        known->second = {.device = device, .certain = certain};
    }
}

std::string ShrinkerOwners::find(std::string_view object) const {
    const auto known = owners_.find(object);
    return known == owners_.end() ? std::string() : known->second.device;
}

evidence::ShrinkerCalls* ShrinkerTable::row(const TracedShrinker& shrinker) {
    const auto known = std::find_if(rows_.begin(), rows_.end(), [&](const Row& row) {
        return row.object == shrinker.object && row.calls.function == shrinker.function;
    });
    if (known != rows_.end()) {
        return &known->calls;
    }
    if (rows_.size() >= most_) {
        return nullptr;
    }
    rows_.push_back(
        {.object = std::string(shrinker.object), .calls = {.function = std::string(shrinker.function)}});
    return &rows_.back().calls;
}

std::vector<evidence::ShrinkerCalls> ShrinkerTable::rows(const ShrinkerOwners& owners,
                                                         const TraceDevices& devices) const {
    std::vector<evidence::ShrinkerCalls> all;
    for (const auto& row : rows_) {
        all.push_back(row.calls);
        all.back().superblock = owners.find(row.object);
        all.back().side = devices.side_of(all.back().superblock);
    }
    return all;
}

void ReclaimRecord::add(evidence::TraceEvent event, bool upper) {
    ++reclaim_.inside_count;
    reclaim_.upper_events += upper ? 1 : 0;
    front_event_ = event.event;
    front_device_ = event.device;
    if (reclaim_.inside.size() < kept_inside) {
        reclaim_.inside.push_back(std::move(event));
    } else if (last_.size() < kept_inside) {
        last_.push_back(std::move(event));
    } else {
        last_[oldest_] = std::move(event);
        oldest_ = (oldest_ + 1) % last_.size();
    }
}

void ReclaimRecord::shrinker_begins(const TracedShrinker& shrinker, double at_s) {
    shrinker_ends(at_s);  // its end was lost: no shrinker runs inside another
    shrinker_ = {std::string(shrinker.function), std::string(shrinker.object)};
    shrinker_begin_s_ = at_s;
    in_shrinker_ = true;
    pruned_ = false;
    if (auto* row = shrinkers_.row(shrinker)) {
        ++row->calls;
        row->ended = false;
    }
}

std::optional<ReclaimRecord::EndedCall> ReclaimRecord::shrinker_ends(double at_s) {
    if (!in_shrinker_) {
        return std::nullopt;
    }
    in_shrinker_ = false;
    const EndedCall call{
        .function = shrinker_.first, .object = shrinker_.second, .took_s = at_s - shrinker_begin_s_};
    if (auto* row = shrinkers_.row({.function = shrinker_.first, .object = shrinker_.second})) {
        row->total_s += call.took_s;
        row->ended = true;
    }
    return call;
}

bool ReclaimRecord::prunes() {
    if (!in_shrinker_ || pruned_) {
        return false;
    }
    pruned_ = true;
    if (auto* row = shrinkers_.row({.function = shrinker_.first, .object = shrinker_.second})) {
        ++row->pruned;
    }
    return true;
}

void ReclaimRecord::sleeps(double at_s, std::string superblock) {
    end_sleep(at_s, true);
    sleep_ = evidence::TaskWait{.begin_s = at_s,
                                .duration_s = std::nullopt,
                                .at_most = false,
                                .stack = {},
                                .event = front_event_,
                                .device = front_device_,
                                .superblock = std::move(superblock)};
    // It says nothing of a sleep after this one; a wait for writeback is traced anew at each turn.
    front_event_.clear();
    front_device_.clear();
    ++reclaim_.wait_count;
}

void ReclaimRecord::add_frame(std::string_view function) {
    if (!sleep_ || sleep_->stack.size() >= kept_frames) {
        return;
    }
    // The stack begins with the tracing's own functions, inside the scheduler's.
    if (function == "__schedule" || function == "schedule") {
        sleep_->stack.clear();
    }
    sleep_->stack.emplace_back(function);
}

void ReclaimRecord::end_sleep(double at_s, bool at_most) {
    if (!sleep_) {
        return;
    }
    sleep_->duration_s = at_s - sleep_->begin_s;
    sleep_->at_most = at_most;
    reclaim_.waited_s += *sleep_->duration_s;
    if (waits_.size() < kept_waits) {
        waits_.push_back(std::move(*sleep_));
    } else {
        const auto shortest =
            std::min_element(waits_.begin(), waits_.end(),
                             [](const auto& a, const auto& b) { return duration_of(a) < duration_of(b); });
        if (duration_of(*shortest) < *sleep_->duration_s) {
            *shortest = std::move(*sleep_);
        }
    }
    sleep_.reset();
}

void ReclaimRecord::end(double end_s, std::uint64_t reclaimed_pages) {
    end_sleep(end_s, true);
    shrinker_ends(end_s);
    reclaim_.end_s = end_s;
    reclaim_.reclaimed_pages = reclaimed_pages;
}

evidence::Reclaim ReclaimRecord::whole(const ShrinkerOwners& owners, const TraceDevices& devices) const {
    evidence::Reclaim all = reclaim_;
    for (std::size_t i = 0; i < last_.size(); ++i) {
        all.inside.push_back(last_[(oldest_ + i) % last_.size()]);
    }
    all.shrinkers = shrinkers_.rows(owners, devices);
    all.waits = waits_;
    std::sort(all.waits.begin(), all.waits.end(),
              [](const auto& a, const auto& b) { return a.begin_s < b.begin_s; });
    if (sleep_) {
        all.waits.push_back(*sleep_);
    }
    return all;
}

}  // namespace reflux::observe
