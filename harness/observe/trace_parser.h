// Text of a trace instance to evidence: pure, incremental and of bounded memory.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/observe/gfp_mask.h"
#include "harness/observe/late_threads.h"
#include "harness/observe/reclaim_record.h"
#include "harness/observe/trace_line.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reflux::observe {

class TraceParser {
  public:
    // `run_start_s`: the time, on the trace's clock, that is at_s 0.
    explicit TraceParser(double run_start_s) : run_start_s_(run_start_s) {}

    // Call these before the first text is fed.
    void set_devices(TraceDevices devices) { devices_ = std::move(devices); }
    void set_run_start(double run_start_s) { run_start_s_ = run_start_s; }
    void set_gfp_table(std::optional<GfpTable> table) { gfp_table_ = std::move(table); }

    // Text as it was read; it may begin and end in the middle of a line. Lines that are not understood are
    // counted (garbage()) and passed over.
    void feed(std::string_view text);

    // What was seen up to now; available, events, missing and weaker are left to the caller. A reclaim
    // without end_s has begun and had not ended at the last text; one whose end was lost is counted and not
    // shown, once its thread begins the next.
    [[nodiscard]] evidence::TraceSummary summary() const;
    // The births since the last call, at most 4096.
    [[nodiscard]] std::vector<Birth> take_births() { return std::exchange(births_, {}); }
    [[nodiscard]] std::uint64_t garbage() const { return garbage_; }
    [[nodiscard]] std::uint64_t reclaims() const { return totals_.reclaim_count; }
    // Switches of threads into an uninterruptible sleep, and stacks that came with them.
    [[nodiscard]] std::uint64_t sleeps() const { return sleeps_; }
    [[nodiscard]] std::uint64_t stacks() const { return stacks_; }

  private:
    void take_line(std::string_view line);
    bool take_stack(std::string_view line);
    void take_event(const TraceLine& line);
    void take_switch(const TraceLine& line);
    void take_birth(const TraceLine& line);
    void take_shrinker(const TraceLine& line, ReclaimRecord& open, const evidence::TraceEvent& event);
    void count_scan(const TraceLine& line);
    void count_throttle(const evidence::TraceEvent& event);
    evidence::ReclaimCount* count_of(int tid, const std::string& mask);
    void begin_reclaim(const TraceLine& line, std::string kind);
    void end_reclaim(int tid, double end_s, std::uint64_t reclaimed_pages);
    void keep(const ReclaimRecord& ended);
    bool count_inside(const evidence::TraceEvent& event);
    [[nodiscard]] evidence::TraceEvent event_of(const TraceLine& line) const;

    double run_start_s_;
    TraceDevices devices_;
    std::optional<GfpTable> gfp_table_;
    std::string rest_;       // an incomplete line
    bool rest_cut_ = false;  // it was longer than any line may be: dropped up to its end
    std::uint64_t garbage_ = 0;
    std::uint64_t sleeps_ = 0;
    std::uint64_t stacks_ = 0;
    evidence::TraceSummary totals_;
    ShrinkerOwners owners_;
    static constexpr std::size_t most_shrinkers = 32;
    ShrinkerTable shrinkers_{most_shrinkers};
    std::map<int, ReclaimRecord> open_;
    std::vector<Birth> births_;
    std::map<int, evidence::TraceEvent> last_events_;
    std::optional<int> stack_of_;  // thread whose stack the lines are
    std::optional<ReclaimRecord> first_;
    std::optional<ReclaimRecord> longest_;
    std::vector<ReclaimRecord> with_upper_;  // the longest of them
};

}  // namespace reflux::observe
