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
};

constexpr std::array wanted_events = {
    Wanted{"vmscan/mm_vmscan_direct_reclaim_begin"},
    Wanted{"vmscan/mm_vmscan_direct_reclaim_end"},
    Wanted{"vmscan/mm_vmscan_memcg_reclaim_begin"},
    Wanted{"vmscan/mm_vmscan_memcg_reclaim_end"},
    Wanted{"vmscan/mm_shrink_slab_start"},
    Wanted{"vmscan/mm_shrink_slab_end"},
    Wanted{"vmscan/mm_vmscan_throttled"},  // 5.16
    Wanted{"writeback/folio_wait_writeback", "writeback/wait_on_page_writeback"},
    Wanted{"writeback/balance_dirty_pages"},
    Wanted{"ext4/ext4_evict_inode"},
    Wanted{"jbd2/jbd2_handle_start"},
    Wanted{"xfs/xfs_trans_alloc"},
    Wanted{"xfs/xfs_inodegc_queue"},          // 5.14
    Wanted{"xfs/xfs_inode_set_reclaimable"},  // 5.14
    Wanted{"xfs/xfs_destroy_inode"},
    Wanted{"f2fs/f2fs_evict_inode"},
};

constexpr std::size_t most_a_drain = 4U << 20U;

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

Status TraceInstance::start(const std::vector<int>& tids) {
    if (tids.empty()) {
        return fail(ErrorKind::invalid_input,
                    "trace: no thread to follow; that would trace the whole machine");
    }
    REFLUX_CHECK(follow(tids));
    // Probed here and not in create(): a module's tracepoints come with the module, when its filesystem is
    // mounted.
    present_.clear();
    missing_.clear();
    for (const auto& wanted : wanted_events) {
        bool enabled = false;
        for (const auto name : {wanted.name, wanted.older}) {
            if (name.empty() || enabled) {
                continue;
            }
            const auto done = write_file(fmt::format("{}/events/{}/enable", directory_, name), "1");
            if (!done && done.error().errnum != ENOENT) {
                return fail(done.error());
            }
            if (done) {
                enabled = true;
                present_.emplace_back(name);
            }
        }
        if (!enabled) {
            missing_.emplace_back(wanted.name);
        }
    }
    return {};
}

Result<std::size_t> TraceInstance::drain() {
    if (!pipe_) {
        return 0;
    }
    std::array<char, 65536> chunk;  // NOLINT(cppcoreguidelines-pro-type-member-init): written by read
    std::size_t total = 0;
    while (total < most_a_drain) {
        const ssize_t n = ::read(pipe_.get(), chunk.data(), chunk.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno != EAGAIN) {
            return fail_errno(fmt::format("read {}/trace_pipe", directory_));
        }
        if (n <= 0) {
            break;
        }
        const std::string_view text(chunk.data(), static_cast<std::size_t>(n));
        total += text.size();
        parser_.feed(text);
        if (text_) {
            REFLUX_CHECK(text_->append(text));
        }
    }
    overwritten_ = count_overwritten();
    return total;
}

std::uint64_t TraceInstance::count_overwritten() const {
    std::uint64_t total = 0;
    const auto per_cpu = directory_ + "/per_cpu";
    for (const auto& cpu : list_directory(per_cpu).value_or(std::vector<std::string>{})) {
        for (const auto& line : lines_of(read_file(fmt::format("{}/{}/stats", per_cpu, cpu)).value_or(""))) {
            for (const std::string_view key : {"overrun: ", "dropped events: "}) {
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
    auto stopped = call_bounded("stopping the trace", deadline,
                                [this] { return write_file(directory_ + "/events/enable", "0"); });
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
    // The pipe's marks and the buffers' own counts speak of the same losses.
    summary.lost_events = std::max(summary.lost_events, overwritten_);
    return summary;
}

}  // namespace reflux::observe
