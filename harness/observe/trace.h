// A private trace instance (tracefs instances/NAME) that records what the daemon's threads do inside the
// kernel. Nothing is enabled outside the instance. The pipe is read without blocking; see stop() for what can
// block all the same.
#pragma once

#include "backend/base/result.h"
#include "backend/base/unique_fd.h"
#include "backend/base/units.h"
#include "harness/evidence/evidence.h"
#include "harness/observe/bounded_text.h"
#include "harness/observe/late_threads.h"
#include "harness/observe/trace_parser.h"
#include "harness/observe/trace_probes.h"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::observe {

// Where tracefs is mounted, by the text of /proc/self/mounts; nullopt: nowhere.
std::optional<std::string> mounted_tracefs(std::string_view mounts);

// Where the event that tells of scans is on, reclaims without one have scanned nothing: `scan` is 0 then, but
// where they freed pages all the same it stays absent, with a sentence among what is weaker.
void settle_scan(evidence::TraceSummary& summary);

class TraceInstance {
  public:
    // Makes instances/NAME in a mounted tracefs and sets it up (buffer of `buffer_kib` for each CPU, clock
    // mono, event-fork), with every event off. The caller journals the name before: undoing the journal is
    // what removes the instance, also after a failure here.
    static Result<TraceInstance> create(const std::string& tracefs_dir, const std::string& name,
                                        std::uint64_t buffer_kib);

    // Events of these devices are counted as upper and lower; call before the first drain.
    void set_devices(TraceDevices devices) {
        upper_ = devices.upper;
        parser_.set_devices(std::move(devices));
    }
    // The CLOCK_MONOTONIC time in seconds that is at_s 0; call before the first drain.
    void set_run_start(double monotonic_s) {
        run_start_s_ = monotonic_s;
        parser_.set_run_start(monotonic_s);
    }
    // Events that were defined in the same tracefs before create(); call before start().
    void set_probes(TraceProbes probes) { probes_ = std::move(probes); }
    // Raw text is kept in this file from now on, the first and the last `half_bytes` of it (bounded_text.h).
    Status keep_text(const std::string& path, std::size_t half_bytes);

    // Follows the threads, those that they fork later from their birth on, and those that io_uring makes for
    // them from the drain() on that reads of it (late_threads.h; what they do before is not seen); and turns
    // the wanted events on; besides their sleeps in uninterruptible state: a sched_switch into one, with the
    // stack, and the one back. What happens with every request (these sleeps, journal handles, waits for
    // writeback) is recorded from the first reclaim on that anybody on the machine enters: before that there
    // is nothing to explain, and the daemon is not slowed. Stacks cost every task of the machine a little
    // from the moment on that they are asked for: at once where `pressed`, for the first reclaim may be the
    // one that hangs, else at the first drain() after one of these threads entered reclaim. No tids is an
    // error: it would trace the whole machine.
    Status start(const std::vector<int>& tids, bool pressed);
    // Threads of the daemon that /proc shows: those that are not followed yet are from now on, and count as
    // late. Bounded; a failure is told in the summary.
    void follow_found(const std::vector<int>& tids);
    // Asks whether anybody on the machine has entered a reclaim since the
    // trace began; stop() and set_recording() do that themselves. Bounded.
    void look_for_reclaims();
    // All events off, and on again as start() had them, to compare the two. Waits for the kernel, some
    // milliseconds an event. Call after start().
    Status set_recording(bool on);
    // Reads what is there (at most 256 KiB a call: some 5 ms, in an emulated guest up to half a second, for
    // the kernel writes the text while it is read) and parses it; gives the bytes read, 0 when there was
    // nothing.
    Result<std::size_t> drain();
    // Events off, for the end of the observed time; what is buffered can still be drained. The kernel takes
    // locks for it that others of the machine may hold, so it is done in a child, and timed_out when that has
    // not ended by `deadline`. Reading and closing the pipe would wait for the same locks: drain() gives 0
    // then, and the pipe stays open to the end of this process.
    Status stop(Seconds deadline);
    // Writes the end of the raw text and closes the pipe, without which the instance cannot be removed.
    Status close();

    // What was seen up to the last drain; what that one left in the buffers counts among the lost events.
    [[nodiscard]] evidence::TraceSummary summary() const;
    [[nodiscard]] const std::string& directory() const { return directory_; }

  private:
    explicit TraceInstance(std::string directory) : directory_(std::move(directory)), parser_(0) {}
    Status set_up(std::uint64_t buffer_kib);
    [[nodiscard]] std::string event(std::string_view name) const;
    // false: this kernel does not have it.
    Result<bool> enable(std::string_view name, bool frequent);
    Status arm(std::string_view name, bool on);
    void want_stacks();
    Status follow(const std::vector<int>& tids);
    void follow_births();
    void follow_late(std::vector<LateThread> threads);
    Status turn_off();
    Status enable_events(const std::vector<int>& tids, bool pressed);
    Status enable_switches(const std::vector<int>& tids, bool pressed);
    Status set_stacks(bool on);
    void filter_to_upper(std::string_view name);
    // Of the buffers' own counts, over all processors.
    [[nodiscard]] std::uint64_t sum_of_stats(std::initializer_list<std::string_view> keys) const;

    std::string directory_;
    UniqueFd pipe_;
    std::string upper_;    // "253:0"
    bool at_end_ = false;  // the last drain() left nothing behind
    TraceParser parser_;
    std::optional<BoundedText> text_;
    std::vector<std::string> present_;  // "vmscan/mm_vmscan_direct_reclaim_begin", …
    std::vector<std::string> missing_;
    std::vector<std::string> weaker_;
    std::vector<std::string> armed_;  // of these: turned on by the first reclaim
    // Of the switch into a sleep: this kernel has none, they are to be turned on, they are on.
    enum class Stacks : std::uint8_t { none, wanted, on };
    Stacks stacks_ = Stacks::none;
    bool recording_ = true;
    LateThreads late_;
    std::optional<bool> machine_reclaimed_ = false;  // up to the last look; nullopt: a look could not tell
    double run_start_s_ = 0;
    TraceProbes probes_;
};

}  // namespace reflux::observe
