#include "harness/observe/trace_parser.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace reflux::observe {
namespace {

constexpr std::size_t longest_line = 16384;  // the kernel cuts at one page
constexpr std::size_t longest_detail = 512;
constexpr std::size_t kept_with_upper = 8;
constexpr std::size_t kept_throttles = 16;
constexpr std::size_t most_threads = 512;

bool is_prune(std::string_view event) {
    return event == "prune_dcache_sb" || event == "prune_icache_sb";
}

// Events of a filesystem that say only whose shrinker it is that runs.
bool is_scan(std::string_view event) {
    return event == "ext4_es_shrink_scan_enter" || event == "jbd2_shrink_scan_enter";
}

// Whether an event inside a call of this shrinker names the superblock of the shrinker: an eviction in that
// of inodes and dentries, a scan in the one that scans so.
bool names_owner(std::string_view function, std::string_view event) {
    constexpr std::array evictions{"ext4_evict_inode", "f2fs_evict_inode", "xfs_destroy_inode",
                                   "xfs_inodegc_queue", "xfs_inode_set_reclaimable"};
    if (function == "super_cache_scan") {
        return is_prune(event) || std::find(evictions.begin(), evictions.end(), event) != evictions.end();
    }
    return (function == "ext4_es_scan" && event == "ext4_es_shrink_scan_enter") ||
           (function == "jbd2_journal_shrink_scan" && event == "jbd2_shrink_scan_enter");
}

double duration_of(const evidence::Reclaim& one) {
    return one.end_s.value_or(one.begin_s) - one.begin_s;
}

}  // namespace

void TraceParser::feed(std::string_view text) {
    while (!text.empty()) {
        const auto end = text.find('\n');
        const auto piece = text.substr(0, end);
        if (rest_.size() + piece.size() > longest_line) {
            rest_cut_ = true;
        }
        if (end == std::string_view::npos) {
            rest_.append(rest_cut_ ? std::string_view{} : piece);
            return;
        }
        text.remove_prefix(end + 1);
        if (rest_cut_) {
            ++garbage_;
        } else if (rest_.empty()) {
            take_line(piece);
        } else {
            rest_.append(piece);
            take_line(rest_);
        }
        rest_.clear();
        rest_cut_ = false;
    }
}

void TraceParser::take_line(std::string_view line) {
    if (take_stack(line)) {
        return;
    }
    stack_of_.reset();
    if (const auto parsed = parse_trace_line(line); parsed) {
        take_event(*parsed);
    } else if (const auto lost = parse_lost_events(line); lost) {
        totals_.lost_events += *lost;
    } else if (!line.empty() && !line.starts_with('#')) {
        ++garbage_;
    }
}

bool TraceParser::take_stack(std::string_view line) {
    if (const auto frame = stack_of_ ? parse_stack_frame(line) : std::nullopt) {
        if (const auto open = open_.find(*stack_of_); open != open_.end()) {
            open->second.add_frame(*frame);
        }
        return true;
    }
    const auto head = parse_stack_head(line);
    if (head) {
        ++stacks_;
        stack_of_ = head;
    }
    return head.has_value();
}

evidence::TraceEvent TraceParser::event_of(const TraceLine& line) const {
    return {.at_s = line.time_s - run_start_s_,
            .tid = line.tid,
            .event = std::string(line.event),
            .device = devices_.resolved(trace_device(line.fields)),
            .detail = std::string(line.fields.substr(0, longest_detail))};
}

void TraceParser::take_event(const TraceLine& line) {
    if (line.event == "sched_switch") {
        take_switch(line);
        return;
    }
    if (line.event == "task_newtask") {
        take_birth(line);
        return;
    }
    auto event = event_of(line);
    const bool begins =
        line.event == "mm_vmscan_memcg_reclaim_begin" || line.event == "mm_vmscan_direct_reclaim_begin";
    if (begins) {
        // What is open still has lost its end, for no task enters reclaim twice (PF_MEMALLOC): what of it was
        // inside cannot be told.
        open_.erase(line.tid);
    }
    const auto open = open_.find(line.tid);
    if (open != open_.end()) {
        open->second.awake(event.at_s);
    }
    if (line.event == "mm_vmscan_lru_shrink_inactive") {
        // Some a reclaim: kept as a sum, lest it take the place of what tells more.
        if (open != open_.end()) {
            count_scan(line);
        }
        return;
    }
    if (is_scan(line.event)) {
        if (open != open_.end()) {
            take_shrinker(line, open->second, event);
        }
        return;
    }
    if (last_events_.size() < most_threads || last_events_.contains(line.tid)) {
        last_events_[line.tid] = event;
    }
    if (begins) {
        begin_reclaim(line, line.event == "mm_vmscan_memcg_reclaim_begin" ? "memcg" : "direct");
        return;
    }
    if (line.event == "mm_vmscan_memcg_reclaim_end" || line.event == "mm_vmscan_direct_reclaim_end") {
        std::uint64_t pages = 0;
        read_number_of(trace_field(line.fields, "nr_reclaimed").value_or("0"), pages);
        end_reclaim(line.tid, event.at_s, pages);
        return;
    }
    if (line.event == "balance_dirty_pages" || line.event == "mm_vmscan_throttled") {
        count_throttle(event);
    }
    if (open != open_.end()) {
        take_shrinker(line, open->second, event);
        const bool upper = count_inside(event);
        open->second.add(std::move(event), upper);
    }
}

void TraceParser::take_birth(const TraceLine& line) {
    constexpr std::size_t most_births = 4096;
    const auto birth = parse_birth(line, run_start_s_);
    if (!birth) {
        ++garbage_;
    } else if (births_.size() < most_births) {
        births_.push_back(*birth);
    }
}

// One task goes and another comes: a sleep of the first begins, one of the second ends. Of both only threads
// in a reclaim matter.
void TraceParser::take_switch(const TraceLine& line) {
    const double at_s = line.time_s - run_start_s_;
    int next = -1;
    read_number_of(last_trace_field(line.fields, "next_pid").value_or(""), next);
    if (const auto open = open_.find(next); open != open_.end()) {
        open->second.wakes(at_s);
    }
    if (last_trace_field(line.fields, "prev_state").value_or("").substr(0, 1) != "D") {
        return;
    }
    ++sleeps_;
    if (const auto open = open_.find(line.tid); open != open_.end()) {
        const auto* shrinker = open->second.inside_shrinker();
        open->second.sleeps(at_s, shrinker != nullptr ? owners_.find(shrinker->second) : "");
    }
}

void TraceParser::take_shrinker(const TraceLine& line, ReclaimRecord& open,
                                const evidence::TraceEvent& event) {
    if (line.event == "mm_shrink_slab_start") {
        const auto shrinker = traced_shrinker(line.fields);
        open.shrinker_begins(shrinker, event.at_s);
        if (auto* row = shrinkers_.row(shrinker)) {
            ++row->calls;
            row->ended = false;
        }
        return;
    }
    if (line.event == "mm_shrink_slab_end") {
        const auto ended = open.shrinker_ends(event.at_s);
        auto* row = ended ? shrinkers_.row({.function = ended->function, .object = ended->object}) : nullptr;
        if (row != nullptr) {
            row->total_s += ended->took_s;
            row->ended = true;
        }
        return;
    }
    const auto* inside = open.inside_shrinker();
    if (inside == nullptr || !names_owner(inside->first, line.event)) {
        return;
    }
    owners_.learn(inside->second, event.device, is_prune(line.event) || is_scan(line.event));
    if (is_prune(line.event) && open.prunes()) {
        if (auto* row = shrinkers_.row({.function = inside->first, .object = inside->second})) {
            ++row->pruned;
        }
    }
}

void TraceParser::count_scan(const TraceLine& line) {
    std::uint64_t scanned = 0;
    std::uint64_t reclaimed = 0;
    if (read_number_of(trace_field(line.fields, "nr_scanned").value_or(""), scanned) &&
        read_number_of(trace_field(line.fields, "nr_reclaimed").value_or(""), reclaimed)) {
        auto& scan = totals_.scan ? *totals_.scan : totals_.scan.emplace();
        ++scan.batches;
        scan.scanned_pages += scanned;
        scan.reclaimed_pages += reclaimed;
    } else {
        ++garbage_;
    }
}

void TraceParser::count_throttle(const evidence::TraceEvent& event) {
    ++totals_.throttle_count;
    if (totals_.throttles.size() == kept_throttles) {
        totals_.throttles.erase(totals_.throttles.begin());
    }
    totals_.throttles.push_back(event);
}

// true: it names the upper device.
bool TraceParser::count_inside(const evidence::TraceEvent& event) {
    if (event.event == "mm_shrink_slab_start") {
        ++totals_.slab_shrink_count;
    }
    if (event.device.empty()) {
        return false;
    }
    if (event.device == devices_.upper) {
        ++totals_.upper_event_count;
        return true;
    }
    totals_.lower_event_count += event.device == devices_.lower ? 1 : 0;
    return false;
}

evidence::ReclaimCount* TraceParser::count_of(int tid, const std::string& mask) {
    constexpr std::size_t most_counts = 64;
    auto& counts = totals_.counts;
    const auto known = std::find_if(counts.begin(), counts.end(), [&](const evidence::ReclaimCount& row) {
        return row.tid == tid && row.gfp_flags == mask;
    });
    if (known != counts.end()) {
        return &*known;
    }
    if (counts.size() >= most_counts) {
        return nullptr;
    }
    counts.push_back({.tid = tid, .gfp_flags = mask, .count = 0});
    return &counts.back();
}

void TraceParser::begin_reclaim(const TraceLine& line, std::string kind) {
    evidence::Reclaim reclaim;
    reclaim.tid = line.tid;
    reclaim.kind = std::move(kind);
    reclaim.begin_s = line.time_s - run_start_s_;
    reclaim.gfp_flags = trace_field(line.fields, "gfp_flags").value_or("").substr(0, longest_detail);
    reclaim.thread = line.comm;
    if (int order = 0; read_number_of(trace_field(line.fields, "order").value_or(""), order)) {
        reclaim.order = order;
    }
    if (gfp_table_) {
        reclaim.gfp_bits = gfp_table_->bits_of(reclaim.gfp_flags);
        if (reclaim.gfp_bits) {
            reclaim.gfp_fs = gfp_table_->has(*reclaim.gfp_bits, "__GFP_FS");
            reclaim.gfp_io = gfp_table_->has(*reclaim.gfp_bits, "__GFP_IO");
        }
    }
    ++totals_.reclaim_count;
    if (std::ranges::find(totals_.kinds, reclaim.kind) == totals_.kinds.end()) {
        totals_.kinds.push_back(reclaim.kind);
    }
    if (auto* row = count_of(line.tid, reclaim.gfp_flags)) {
        ++row->count;
    }
    if (open_.size() < most_threads) {
        open_.emplace(line.tid, ReclaimRecord(std::move(reclaim)));
    }
}

void TraceParser::end_reclaim(int tid, double end_s, std::uint64_t reclaimed_pages) {
    const auto open = open_.find(tid);
    if (open == open_.end()) {
        return;  // it had begun before the trace did
    }
    open->second.end(end_s, reclaimed_pages);
    const auto& ended = open->second.head();
    if (auto* row = count_of(tid, ended.gfp_flags)) {
        const double took = duration_of(ended);
        row->total_s += took;
        row->longest_s = std::max(row->longest_s, took);
        row->reclaimed_pages += reclaimed_pages;
        row->waited_s += ended.waited_s;
    }
    keep(open->second);
    open_.erase(open);
}

void TraceParser::keep(const ReclaimRecord& ended) {
    const double took = duration_of(ended.head());
    if (!first_) {
        first_ = ended;
    }
    if (!longest_ || took > duration_of(longest_->head())) {
        longest_ = ended;
    }
    if (ended.head().upper_events == 0) {
        return;
    }
    if (with_upper_.size() < kept_with_upper) {
        with_upper_.push_back(ended);
        return;
    }
    const auto shortest = std::min_element(with_upper_.begin(), with_upper_.end(),
                                           [&](const ReclaimRecord& a, const ReclaimRecord& b) {
                                               return duration_of(a.head()) < duration_of(b.head());
                                           });
    if (took > duration_of(shortest->head())) {
        *shortest = ended;
    }
}

evidence::TraceSummary TraceParser::summary() const {
    evidence::TraceSummary summary = totals_;
    summary.shrinkers = shrinkers_.rows(owners_, devices_);
    std::set<std::pair<int, double>> known;
    const auto add = [&](const ReclaimRecord& one) {
        if (known.emplace(one.head().tid, one.head().begin_s).second) {
            summary.reclaims.push_back(one.whole(owners_, devices_));
        }
    };
    if (first_) {
        add(*first_);
    }
    if (longest_) {
        add(*longest_);
    }
    for (const auto& one : with_upper_) {
        add(one);
    }
    for (const auto& [tid, one] : open_) {
        add(one);
    }
    std::stable_sort(
        summary.reclaims.begin(), summary.reclaims.end(),
        [](const evidence::Reclaim& a, const evidence::Reclaim& b) { return a.begin_s < b.begin_s; });
    for (const auto& [tid, event] : last_events_) {
        summary.last_events.push_back(event);
    }
    return summary;
}

}  // namespace reflux::observe
