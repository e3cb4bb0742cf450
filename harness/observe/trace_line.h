// One line of a trace's text, and the fields of the events in it: pure.
// Formats: kernel/trace/trace_output.c (line head), include/trace/events/{vmscan,writeback,ext4,jbd2,f2fs,
// sched}.h and fs/xfs/xfs_trace.h (fields), kernel/trace/trace_kprobe.c, 5.10 to 7.x.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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
// The thread of "            dd-1234    [001] .....    12.345678: <stack trace>", behind which its stack
// stands.
std::optional<int> parse_stack_head(std::string_view line);
// " => folio_wait_writeback" or " => xfs_buf_lock+0x3c [xfs]" gives the function; nullopt: no line of a
// stack.
std::optional<std::string_view> parse_stack_frame(std::string_view line);

// Value of "key=value" (up to the next blank), nullopt where there is none. The first one, or the last one.
std::optional<std::string_view> trace_field(std::string_view fields, std::string_view key);
std::optional<std::string_view> last_trace_field(std::string_view fields, std::string_view key);
// The device that an event names, as "major:minor": of "bdi 7:1: …", "dev 7,1 …", "dev 7:1 …", "dev =
// (7,1), …" and "… sb_dev=7340033" (a dev_t, which our kprobe events print). For a bdi without a number its
// name ("btrfs-1"); empty where it names none.
std::string trace_device(std::string_view fields);

// The shrinker of mm_shrink_slab_start: "super_cache_scan+0x0/0x190 00000000aabbccdd: nid: 0 …".
struct TracedShrinker {
    std::string_view function;
    std::string_view object;  // its address, hashed; empty where the kernel cannot hash yet
};
TracedShrinker traced_shrinker(std::string_view fields);

// All of `text` as a number; false where it is none.
template <class Number>
bool read_number_of(std::string_view text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace reflux::observe
