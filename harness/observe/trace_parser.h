// Text of a trace instance to evidence: pure, incremental and of bounded memory.
// Formats: kernel/trace/trace_output.c (line head), include/trace/events/{vmscan,writeback,ext4,jbd2,f2fs}.h
// and fs/xfs/xfs_trace.h (fields), 5.10 to 7.x.
#pragma once

#include "harness/evidence/evidence.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::observe {

// "            dd-1234    [001] .....    12.345678: mm_vmscan_memcg_reclaim_end: nr_reclaimed=32"
struct TraceLine {
    std::string_view comm;
    int tid = 0;
    int cpu = 0;
    double time_s = 0;  // of the instance's clock
    std::string_view event;
    std::string_view fields;
};
// nullopt: a header, a lost-events mark, a stack line or garbage. The views point into `line`.
std::optional<TraceLine> parse_trace_line(std::string_view line);
// "CPU:1 [LOST 33 EVENTS]" gives 33; 1 where the kernel does not know how many ("[LOST EVENTS]").
std::optional<std::uint64_t> parse_lost_events(std::string_view line);
// Value of "key=value" (up to the next blank), nullopt where there is none.
std::optional<std::string_view> trace_field(std::string_view fields, std::string_view key);
// The device that an event names, as "major:minor": of "bdi 7:1: …", "dev 7,1 …", "dev 7:1 …" and "dev =
// (7,1), …". For a bdi without a number its name ("btrfs-1"); empty where it names none.
std::string trace_device(std::string_view fields);

// The devices by which events are attributed.
struct TraceDevices {
    std::string upper;        // "7:1"
    std::string lower;        // "7:0"
    std::string upper_alias;  // name of its bdi where that is no number (btrfs: "btrfs-2"), else empty
    std::string lower_alias;
};

class TraceParser {
  public:
    // `run_start_s`: the time, on the trace's clock, that is at_s 0.
    explicit TraceParser(double run_start_s) : run_start_s_(run_start_s) {}

    // Call before the first text is fed.
    void set_devices(TraceDevices devices) { devices_ = std::move(devices); }
    void set_run_start(double run_start_s) { run_start_s_ = run_start_s; }

    // Text as it was read; it may begin and end in the middle of a line. Lines that are not understood are
    // counted (garbage()) and passed over.
    void feed(std::string_view text);

    // What was seen up to now; available, events and missing are left to the caller. A reclaim without end_s
    // has begun and had not ended at the last text; one whose end was lost is ended by the next begin of its
    // thread.
    [[nodiscard]] evidence::TraceSummary summary() const;
    [[nodiscard]] std::uint64_t garbage() const { return garbage_; }

  private:
    // The first and the last events inside one reclaim.
    struct OpenReclaim {
        evidence::Reclaim reclaim;  // `inside` has the first ones
        std::vector<evidence::TraceEvent> last;
        std::size_t oldest = 0;  // index in `last`, a ring once it is full
        bool upper = false;

        void add(evidence::TraceEvent event);
        [[nodiscard]] evidence::Reclaim whole() const;
    };

    void take_line(std::string_view line);
    void take_event(const TraceLine& line);
    void count_reclaim(int tid, const std::string& mask);
    void begin_reclaim(const TraceLine& line, std::string kind);
    void end_reclaim(int tid, double end_s, std::uint64_t reclaimed_pages);
    void keep(const OpenReclaim& ended);
    void count_inside(OpenReclaim& open, const evidence::TraceEvent& event);
    [[nodiscard]] evidence::TraceEvent event_of(const TraceLine& line) const;

    double run_start_s_;
    TraceDevices devices_;
    std::string rest_;       // an incomplete line
    bool rest_cut_ = false;  // it was longer than any line may be: dropped up to its end
    std::uint64_t garbage_ = 0;
    evidence::TraceSummary totals_;
    std::map<int, OpenReclaim> open_;
    std::map<int, evidence::TraceEvent> last_events_;
    std::optional<evidence::Reclaim> first_;
    std::optional<evidence::Reclaim> longest_;
    std::vector<evidence::Reclaim> with_upper_;  // the longest of them
};

}  // namespace reflux::observe
