#include "harness/observe/trace_parser.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <set>
#include <utility>

namespace reflux::observe {
namespace {

constexpr std::size_t longest_line = 16384;  // the kernel cuts at one page
constexpr std::size_t longest_detail = 512;
constexpr std::size_t kept_inside = 16;  // first ones, and as many last ones
constexpr std::size_t kept_with_upper = 8;
constexpr std::size_t kept_throttles = 16;
constexpr std::size_t most_threads = 512;

std::string_view without_blanks(std::string_view text) {
    const auto begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) {
        return {};
    }
    return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

template <class Number>
bool read_number_of(std::string_view text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size();
}

std::size_t digits_at(std::string_view text) {
    return std::min(text.find_first_not_of("0123456789"), text.size());
}

// Takes the text up to the first blank, and the blanks after it, off `text`.
std::string_view take_word(std::string_view& text) {
    const auto word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    return word;
}

// "            dd-1234   (   1234) ": name and thread in front of the CPU.
bool read_head(std::string_view head, TraceLine& line) {
    head = without_blanks(head);
    if (head.ends_with(')')) {  // the thread group, with option record-tgid
        const auto open = head.rfind('(');
        head = open == std::string_view::npos ? std::string_view{} : without_blanks(head.substr(0, open));
    }
    const auto dash = head.rfind('-');
    if (dash == std::string_view::npos || !read_number_of(head.substr(dash + 1), line.tid) || line.tid < 0) {
        return false;
    }
    line.comm = head.substr(0, dash);
    return true;
}

// "001] .N...   12.345678: event: fields", what follows the bracket.
bool read_tail(std::string_view tail, TraceLine& line) {
    const auto close = tail.find(']');
    if (close == std::string_view::npos || !read_number_of(tail.substr(0, close), line.cpu)) {
        return false;
    }
    tail.remove_prefix(close + 1);
    tail.remove_prefix(std::min(tail.find_first_not_of(' '), tail.size()));
    take_word(tail);  // irqs-off, need-resched, …
    auto time = take_word(tail);
    if (!time.ends_with(':')) {
        return false;
    }
    time.remove_suffix(1);
    if (digits_at(time) == 0) {  // nor a sign, nor "nan"
        return false;
    }
    const auto colon = tail.find(':');
    if (!read_number_of(time, line.time_s) || colon == std::string_view::npos || colon == 0) {
        return false;
    }
    line.event = tail.substr(0, colon);
    line.fields = without_blanks(tail.substr(colon + 1));
    return std::all_of(line.event.begin(), line.event.end(),
                       [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
}

// "7:1" or "7,1" at the beginning of `text`.
std::optional<std::string> read_device_number(std::string_view text) {
    const auto major = digits_at(text);
    if (major == 0 || major >= text.size() || (text[major] != ':' && text[major] != ',')) {
        return std::nullopt;
    }
    const auto minor = digits_at(text.substr(major + 1));
    if (minor == 0) {
        return std::nullopt;
    }
    return std::string(text.substr(0, major)) + ":" + std::string(text.substr(major + 1, minor));
}

}  // namespace

std::optional<TraceLine> parse_trace_line(std::string_view line) {
    // A task's name may hold brackets too, but it is too short for all that must follow them.
    for (auto at = line.find('['); at != std::string_view::npos; at = line.find('[', at + 1)) {
        TraceLine parsed;
        if (read_head(line.substr(0, at), parsed) && read_tail(line.substr(at + 1), parsed)) {
            return parsed;
        }
    }
    return std::nullopt;
}

std::optional<std::uint64_t> parse_lost_events(std::string_view line) {
    constexpr std::string_view mark = "[LOST ";
    const auto at = line.find(mark);
    if (!line.starts_with("CPU:") || at == std::string_view::npos) {
        return std::nullopt;
    }
    line.remove_prefix(at + mark.size());
    std::uint64_t count = 1;
    std::from_chars(line.data(), line.data() + line.size(), count);
    return line.find("EVENTS]") == std::string_view::npos ? std::nullopt : std::optional(count);
}

std::optional<std::string_view> trace_field(std::string_view fields, std::string_view key) {
    for (auto at = fields.find(key); at != std::string_view::npos; at = fields.find(key, at + 1)) {
        const auto end = at + key.size();
        if ((at == 0 || fields[at - 1] == ' ') && end < fields.size() && fields[end] == '=') {
            auto value = fields.substr(end + 1);
            return value.substr(0, value.find(' '));
        }
    }
    return std::nullopt;
}

std::string trace_device(std::string_view fields) {
    if (fields.starts_with("bdi ")) {
        const auto name = fields.substr(4);
        return read_device_number(name).value_or(std::string(name.substr(0, name.find(':'))));
    }
    for (const std::string_view head : {"dev = (", "dev "}) {
        if (fields.starts_with(head)) {
            return read_device_number(fields.substr(head.size())).value_or("");
        }
    }
    return {};
}

void TraceParser::OpenReclaim::add(evidence::TraceEvent event) {
    ++reclaim.inside_count;
    if (reclaim.inside.size() < kept_inside) {
        reclaim.inside.push_back(std::move(event));
    } else if (last.size() < kept_inside) {
        last.push_back(std::move(event));
    } else {
        last[oldest] = std::move(event);
        oldest = (oldest + 1) % last.size();
    }
}

evidence::Reclaim TraceParser::OpenReclaim::whole() const {
    evidence::Reclaim all = reclaim;
    for (std::size_t i = 0; i < last.size(); ++i) {
        all.inside.push_back(last[(oldest + i) % last.size()]);
    }
    return all;
}

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
    if (const auto parsed = parse_trace_line(line); parsed) {
        take_event(*parsed);
    } else if (const auto lost = parse_lost_events(line); lost) {
        totals_.lost_events += *lost;
    } else if (!line.empty() && !line.starts_with('#')) {
        ++garbage_;
    }
}

evidence::TraceEvent TraceParser::event_of(const TraceLine& line) const {
    evidence::TraceEvent event{.at_s = line.time_s - run_start_s_,
                               .tid = line.tid,
                               .event = std::string(line.event),
                               .device = trace_device(line.fields),
                               .detail = std::string(line.fields.substr(0, longest_detail))};
    if (!event.device.empty() && event.device == devices_.upper_alias) {
        event.device = devices_.upper;
    } else if (!event.device.empty() && event.device == devices_.lower_alias) {
        event.device = devices_.lower;
    }
    return event;
}

void TraceParser::take_event(const TraceLine& line) {
    auto event = event_of(line);
    if (last_events_.size() < most_threads || last_events_.contains(line.tid)) {
        last_events_[line.tid] = event;
    }
    if (line.event == "mm_vmscan_memcg_reclaim_begin" || line.event == "mm_vmscan_direct_reclaim_begin") {
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
        ++totals_.throttle_count;
        if (totals_.throttles.size() == kept_throttles) {
            totals_.throttles.erase(totals_.throttles.begin());
        }
        totals_.throttles.push_back(event);
    }
    if (const auto open = open_.find(line.tid); open != open_.end()) {
        count_inside(open->second, event);
        open->second.add(std::move(event));
    }
}

void TraceParser::count_inside(OpenReclaim& open, const evidence::TraceEvent& event) {
    if (event.event == "mm_shrink_slab_start") {
        ++totals_.slab_shrink_count;
    }
    if (event.device.empty()) {
        return;
    }
    if (event.device == devices_.upper) {
        ++totals_.upper_event_count;
        open.upper = true;
    } else if (event.device == devices_.lower) {
        ++totals_.lower_event_count;
    }
}

void TraceParser::count_reclaim(int tid, const std::string& mask) {
    constexpr std::size_t most_counts = 64;
    auto& counts = totals_.counts;
    const auto known = std::find_if(counts.begin(), counts.end(), [&](const evidence::ReclaimCount& row) {
        return row.tid == tid && row.gfp_flags == mask;
    });
    if (known != counts.end()) {
        ++known->count;
    } else if (counts.size() < most_counts) {
        counts.push_back({.tid = tid, .gfp_flags = mask, .count = 1});
    }
}

void TraceParser::begin_reclaim(const TraceLine& line, std::string kind) {
    const double begin_s = line.time_s - run_start_s_;
    end_reclaim(line.tid, begin_s, 0);  // its end was lost: no task enters reclaim twice (PF_MEMALLOC)
    ++totals_.reclaim_count;
    const std::string mask(trace_field(line.fields, "gfp_flags").value_or("").substr(0, longest_detail));
    count_reclaim(line.tid, mask);
    if (open_.size() >= most_threads) {
        return;
    }
    OpenReclaim open;
    open.reclaim.tid = line.tid;
    open.reclaim.kind = std::move(kind);
    open.reclaim.begin_s = begin_s;
    open.reclaim.gfp_flags = mask;
    open_[line.tid] = std::move(open);
}

void TraceParser::end_reclaim(int tid, double end_s, std::uint64_t reclaimed_pages) {
    const auto open = open_.find(tid);
    if (open == open_.end()) {
        return;  // it had begun before the trace did
    }
    open->second.reclaim.end_s = end_s;
    open->second.reclaim.reclaimed_pages = reclaimed_pages;
    keep(open->second);
    open_.erase(open);
}

void TraceParser::keep(const OpenReclaim& ended) {
    const auto duration = [](const evidence::Reclaim& one) {
        return one.end_s.value_or(one.begin_s) - one.begin_s;
    };
    if (!first_) {
        first_ = ended.whole();
    }
    if (!longest_ || duration(ended.reclaim) > duration(*longest_)) {
        longest_ = ended.whole();
    }
    if (!ended.upper) {
        return;
    }
    if (with_upper_.size() < kept_with_upper) {
        with_upper_.push_back(ended.whole());
        return;
    }
    const auto shortest = std::min_element(
        with_upper_.begin(), with_upper_.end(),
        [&](const evidence::Reclaim& a, const evidence::Reclaim& b) { return duration(a) < duration(b); });
    if (duration(ended.reclaim) > duration(*shortest)) {
        *shortest = ended.whole();
    }
}

evidence::TraceSummary TraceParser::summary() const {
    evidence::TraceSummary summary = totals_;
    std::set<std::pair<int, double>> known;
    const auto add = [&](evidence::Reclaim one) {
        if (known.emplace(one.tid, one.begin_s).second) {
            summary.reclaims.push_back(std::move(one));
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
        add(one.whole());
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
