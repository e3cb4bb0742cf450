#include "harness/observe/trace.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <sys/stat.h>

namespace reflux::observe {
namespace {

// A wanted tracepoint, and its name in older kernels.
struct Wanted {
    std::string_view name;
    std::string_view older = {};
    std::string_view without = {};  // what suffers where it is missing; empty: nothing that is worth a word
    // Happens with nearly every request, also outside reclaims: off until somebody enters one (arm()).
    bool frequent = false;
    // The daemon's own writes fire it for the lower filesystem, several times each; only the upper one's say
    // something.
    bool upper_only = false;
};

constexpr std::string_view switch_event = "sched/sched_switch";
constexpr std::string_view scan_event = "vmscan/mm_vmscan_lru_shrink_inactive";
constexpr std::array reclaim_begins = {std::string_view("vmscan/mm_vmscan_direct_reclaim_begin"),
                                       std::string_view("vmscan/mm_vmscan_memcg_reclaim_begin")};
constexpr std::string_view uninterruptible = "prev_state == 2";  // TASK_UNINTERRUPTIBLE, as the event has it

constexpr std::array wanted_events = {
    Wanted{"vmscan/mm_vmscan_direct_reclaim_begin"}, Wanted{"vmscan/mm_vmscan_direct_reclaim_end"},
    Wanted{"vmscan/mm_vmscan_memcg_reclaim_begin"}, Wanted{"vmscan/mm_vmscan_memcg_reclaim_end"},
    Wanted{"task/task_newtask", "", "the threads that io_uring makes for the daemon are followed late"},
    Wanted{"vmscan/mm_shrink_slab_start"}, Wanted{"vmscan/mm_shrink_slab_end"},
    // 5.16
    Wanted{"vmscan/mm_vmscan_throttled", "",
           "throttling by reclaim is seen in stacks only, and its pauses are not counted"},
    // With MGLRU since 6.7. Not before the first reclaim: kswapd's would be looked at, too.
    Wanted{scan_event, "", "what reclaim scans in vain is not known", true},
    Wanted{"writeback/folio_wait_writeback", "writeback/wait_on_page_writeback",
           "the device whose writeback a thread waits for is not known", true},
    Wanted{"writeback/balance_dirty_pages", "", "dirty throttling is seen in stacks only"},
    Wanted{"ext4/ext4_evict_inode"}, Wanted{"jbd2/jbd2_handle_start", "", "", true, true},
    // That comes before the wait for a handle, jbd2_handle_start behind it. 6.3, with a name for each caller.
    Wanted{"ext4/ext4_journal_start_inode", "ext4/ext4_journal_start", "", true, true},
    // The last reference to an inode whose new times are in memory only (lazytime).
    Wanted{"writeback/writeback_lazytime_iput", "writeback/writeback_lazytime"},
    Wanted{"xfs/xfs_trans_alloc", "", "", true, true}, Wanted{"xfs/xfs_inodegc_queue"},  // 5.14
    Wanted{"xfs/xfs_inode_set_reclaimable"},                                             // 5.14
    Wanted{"xfs/xfs_destroy_inode"}, Wanted{"f2fs/f2fs_evict_inode"},
    Wanted{"ext4/ext4_es_shrink_scan_enter"}, Wanted{"jbd2/jbd2_shrink_scan_enter"},  // 5.14
};

constexpr std::size_t most_a_drain = 256U << 10U;

std::string without_stacks(const Error& why) {
    return fmt::format(
        "no stacks of sleeps ({}): what one inside a reclaim waits for is known only by the event in front "
        "of "
        "it",
        why.message);
}

// As the kernel keeps a dev_t (MKDEV), which is what a filter compares; nullopt: not "MAJOR:MINOR".
std::optional<std::uint64_t> kernel_device(const std::string& number) {
    const auto fields = split(number, ':');
    std::uint64_t major = 0;
    std::uint64_t minor = 0;
    const auto read = [](const std::string& text, std::uint64_t& value) {
        const char* end = text.data() + text.size();
        return std::from_chars(text.data(), end, value).ptr == end && !text.empty();
    };
    constexpr unsigned minor_bits = 20;
    return fields.size() == 2 && read(fields[0], major) && read(fields[1], minor)
               ? std::optional(major << minor_bits | minor)
               : std::nullopt;
}

std::string without_escapes(std::string_view text) {  // \040 and the like, as /proc/mounts writes a blank
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned code = 0;
        if (text[i] == '\\' && i + 3 < text.size() &&
            std::from_chars(text.data() + i + 1, text.data() + i + 4, code, 8).ptr == text.data() + i + 4) {
            plain += static_cast<char>(code);
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

}  // namespace

void settle_scan(evidence::TraceSummary& summary) {
    const bool traced = std::ranges::find(summary.events, scan_event) != summary.events.end();
    if (summary.scan || !traced) {
        return;
    }
    if (summary.reclaim_count > 0) {
        summary.weaker.emplace_back(
            "no event told of what the reclaims scanned: they hang in their first batch, or it is MGLRU's "
            "work (which tells of it since 6.7)");
    } else {
        summary.scan.emplace();
    }
}

std::optional<std::string> mounted_tracefs(std::string_view mounts) {
    for (const auto& line : lines_of(mounts)) {
        const auto fields = split(line, ' ');
        if (fields.size() >= 3 && fields[2] == "tracefs") {
            return without_escapes(fields[1]);
        }
    }
    return std::nullopt;
}

Result<TraceInstance> TraceInstance::create(const std::string& tracefs_dir, const std::string& name,
                                            std::uint64_t buffer_kib) {
    TraceInstance instance(fmt::format("{}/instances/{}", tracefs_dir, name));
    if (::mkdir(instance.directory_.c_str(), 0700) != 0) {
        return fail_errno("mkdir " + instance.directory_);
    }
    REFLUX_CHECK(instance.set_up(buffer_kib));
    return instance;
}

Status TraceInstance::set_up(std::uint64_t buffer_kib) {
    REFLUX_CHECK(write_file(directory_ + "/buffer_size_kb", fmt::format("{}", buffer_kib)));
    REFLUX_CHECK(write_file(directory_ + "/trace_clock", "mono"));
    REFLUX_CHECK(write_file(directory_ + "/options/event-fork", "1"));
    REFLUX_TRY(pipe_, open_file(directory_ + "/trace_pipe", O_RDONLY | O_NONBLOCK));
    return {};
}

Status TraceInstance::keep_text(const std::string& path, std::size_t half_bytes) {
    REFLUX_TRY(text_, BoundedText::create(path, half_bytes));
    return {};
}

Status TraceInstance::follow(const std::vector<int>& tids) {
    if (tids.empty()) {
        return {};
    }
    // Opened without O_TRUNC, which would empty the filter, and an empty filter lets every task through.
    return write_file(directory_ + "/set_event_pid", fmt::format("{}\n", fmt::join(tids, " ")));
}

Status TraceInstance::start(const std::vector<int>& tids, bool pressed) {
    if (tids.empty()) {
        return fail(ErrorKind::invalid_input,
                    "trace: no thread to follow; that would trace the whole machine");
    }
    REFLUX_CHECK(follow(tids));
    std::ranges::for_each(tids, [this](int tid) { late_.know(tid); });
    const auto format = directory_ + "/events/vmscan/mm_vmscan_direct_reclaim_begin/format";
    parser_.set_gfp_table(GfpTable::parse(read_file(format).value_or("")));
    return enable_events(tids, pressed);
}

std::string TraceInstance::event(std::string_view name) const {
    return fmt::format("{}/events/{}", directory_, name);
}

Result<bool> TraceInstance::enable(std::string_view name, bool frequent) {
    if (::access(event(name).c_str(), F_OK) != 0) {
        return false;
    }
    // A kernel that does not take the trigger traces the event from the start on.
    if (frequent && arm(name, true)) {
        armed_.emplace_back(name);
    } else {
        REFLUX_CHECK(write_file(event(name) + "/enable", "1"));
    }
    present_.emplace_back(name);
    return true;
}

// The kernel itself turns the event on, before the reclaim goes on, whoever entered it: nothing is missed.
Status TraceInstance::arm(std::string_view name, bool on) {
    auto target = std::string(name);
    std::replace(target.begin(), target.end(), '/', ':');
    for (const auto begin : reclaim_begins) {
        REFLUX_CHECK(
            write_file(event(begin) + "/trigger", fmt::format("{}enable_event:{}", on ? "" : "!", target)));
    }
    return {};
}

// Where the kernel takes no such filter, or has no such event, there is more to read and no harm.
void TraceInstance::filter_to_upper(std::string_view name) {
    if (const auto device = kernel_device(upper_); device && !name.empty()) {
        static_cast<void>(write_file(event(name) + "/filter", fmt::format("dev == {}", *device)));
    }
}

Status TraceInstance::enable_events(const std::vector<int>& tids, bool pressed) {
    // Probed here and not in create(): a module's tracepoints come with the module, when its filesystem is
    // mounted.
    present_.clear();
    armed_.clear();
    missing_.clear();
    weaker_.clear();
    for (const auto& wanted : wanted_events) {
        if (wanted.upper_only) {
            filter_to_upper(wanted.name);
            filter_to_upper(wanted.older);
        }
        REFLUX_TRY(bool enabled, enable(wanted.name, wanted.frequent));
        if (!enabled && !wanted.older.empty()) {
            REFLUX_TRY(enabled, enable(wanted.older, wanted.frequent));
        }
        if (!enabled) {
            missing_.emplace_back(wanted.name);
            if (!wanted.without.empty()) {
                weaker_.push_back(fmt::format("no {}: {}", wanted.name, wanted.without));
            }
        }
    }
    for (const auto& name : probes_.events) {
        REFLUX_TRY(const bool enabled, enable(probes_.group + "/" + name, false));
        if (!enabled) {
            probes_.problem = "the instance does not show " + name;
        }
    }
    if (!probes_.problem.empty()) {
        weaker_.push_back(
            fmt::format("no probe of prune_*_sb ({}): the superblock of a shrinker is known only where an "
                        "event in it names a device, so a call of the upper filesystem's shrinker that frees "
                        "nothing is not seen",
                        probes_.problem));
    }
    return enable_switches(tids, pressed);
}

Status TraceInstance::enable_switches(const std::vector<int>& tids, bool pressed) {
    if (::access(event(switch_event).c_str(), F_OK) != 0) {
        missing_.emplace_back(switch_event);
        weaker_.emplace_back("no sched_switch: how long a thread slept inside a reclaim is not known");
        return {};
    }
    // The kernel takes a filter of less than a page.
    constexpr std::size_t longest_filter = 4000;
    std::string filter(uninterruptible);
    for (const int tid : tids) {
        filter += fmt::format(" || next_pid == {}", tid);
    }
    if (filter.size() > longest_filter) {
        filter = uninterruptible;
        weaker_.emplace_back(
            "too many threads to trace each one's switch back: a sleep's time is an upper bound");
    }
    REFLUX_CHECK(write_file(event(switch_event) + "/filter", filter));
    REFLUX_CHECK(enable(switch_event, true));
    auto takes_stacks = set_stacks(true);
    if (takes_stacks && !pressed) {
        takes_stacks = set_stacks(false);
    }
    if (takes_stacks) {
        stacks_ = pressed ? Stacks::on : Stacks::wanted;
    } else {
        weaker_.push_back(without_stacks(takes_stacks.error()));
    }
    return {};
}

// This trigger acts also while its event is off, and on every task of the machine before its condition is
// looked at: it is not for the time before there is a reclaim.
Status TraceInstance::set_stacks(bool on) {
    return write_file(event(switch_event) + "/trigger",
                      fmt::format("{}stacktrace if {}", on ? "" : "!", uninterruptible));
}

// In a child, as stop(): the kernel takes locks for it.
void TraceInstance::want_stacks() {
    if (stacks_ != Stacks::wanted || !recording_ || parser_.reclaims() == 0) {
        return;
    }
    constexpr Seconds longest{2};
    const auto set =
        call_bounded("asking for the stacks of sleeps", longest, [this] { return set_stacks(true); });
    stacks_ = set ? Stacks::on : Stacks::none;
    if (!set) {
        weaker_.push_back(without_stacks(set.error()));
    }
}

Status TraceInstance::turn_off() {
    REFLUX_CHECK(write_file(directory_ + "/events/enable", "0"));
    Status removed = stacks_ == Stacks::on ? set_stacks(false) : Status{};
    for (const auto& name : armed_) {
        if (auto one = arm(name, false); !one) {
            removed = std::move(one);
        }
    }
    return removed;
}

Status TraceInstance::set_recording(bool on) {
    if (on == recording_) {
        return {};
    }
    if (!on) {
        look_for_reclaims();
        REFLUX_CHECK(turn_off());
        recording_ = false;
        return {};
    }
    if (stacks_ == Stacks::on) {
        REFLUX_CHECK(set_stacks(true));
    }
    for (const auto& name : present_) {
        const bool armed = std::find(armed_.begin(), armed_.end(), name) != armed_.end();
        REFLUX_CHECK(armed ? arm(name, true) : write_file(event(name) + "/enable", "1"));
    }
    recording_ = true;
    return {};
}

Result<std::size_t> TraceInstance::drain() {
    if (!pipe_) {
        return 0;
    }
    std::array<char, 65536> chunk;  // NOLINT(cppcoreguidelines-pro-type-member-init): written by read
    std::size_t total = 0;
    at_end_ = false;
    while (total < most_a_drain) {
        const ssize_t n = ::read(pipe_.get(), chunk.data(), chunk.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno != EAGAIN) {
            return fail_errno(fmt::format("read {}/trace_pipe", directory_));
        }
        if (n <= 0) {
            at_end_ = true;
            break;
        }
        const std::string_view text(chunk.data(), static_cast<std::size_t>(n));
        total += text.size();
        parser_.feed(text);
        if (text_) {
            REFLUX_CHECK(text_->append(text));
        }
    }
    want_stacks();
    follow_births();
    return total;
}

std::uint64_t TraceInstance::sum_of_stats(std::initializer_list<std::string_view> keys) const {
    std::uint64_t total = 0;
    const auto per_cpu = directory_ + "/per_cpu";
    for (const auto& cpu : list_directory(per_cpu).value_or(std::vector<std::string>{})) {
        for (const auto& line : lines_of(read_file(fmt::format("{}/{}/stats", per_cpu, cpu)).value_or(""))) {
            for (const std::string_view key : keys) {
                std::uint64_t count = 0;
                if (line.starts_with(key)) {
                    std::from_chars(line.data() + key.size(), line.data() + line.size(), count);
                    total += count;
                }
            }
        }
    }
    return total;
}

Status TraceInstance::stop(Seconds deadline) {
    look_for_reclaims();
    auto stopped = call_bounded("stopping the trace", deadline, [this] {
        // Triggers may be gone already, in a window without the trace; they go with the instance at the
        // latest.
        static_cast<void>(turn_off());
        return write_file(directory_ + "/events/enable", "0");
    });
    recording_ = false;
    if (!stopped && stopped.error().kind == ErrorKind::timed_out) {
        static_cast<void>(pipe_.give_up());
    }
    return stopped;
}

Status TraceInstance::close() {
    pipe_.reset();
    return text_ ? std::exchange(text_, std::nullopt)->finish() : Status{};
}

evidence::TraceSummary TraceInstance::summary() const {
    auto summary = parser_.summary();
    summary.available = true;
    summary.events = present_;
    summary.missing = missing_;
    summary.weaker = weaker_;
    if (std::any_of(summary.reclaims.begin(), summary.reclaims.end(),
                    [](const auto& one) { return !one.gfp_bits; })) {
        summary.weaker.emplace_back(
            "the event's format has no table of gfp bits: masks are read by name only");
    }
    // 5.10 before 5.10.103 writes the stacks of triggers to the machine's own trace; elsewhere the one sleep
    // came before the stacks were asked for.
    if (stacks_ == Stacks::on && parser_.sleeps() > 0 && parser_.stacks() == 0) {
        summary.weaker.emplace_back(
            "no stack of a sleep arrived: what one inside a reclaim waits for is known only by the event in "
            "front of it");
    }
    settle_scan(summary);
    if (late_.any()) {
        summary.late = machine_reclaimed_ != false;
        summary.weaker.push_back(late_.told(machine_reclaimed_));
    }
    // The pipe's marks and the buffers' own counts speak of the same losses.
    summary.lost_events = std::max(summary.lost_events, sum_of_stats({"overrun: ", "dropped events: "})) +
                          (at_end_ ? 0 : sum_of_stats({"entries: "}));
    return summary;
}

}  // namespace reflux::observe
