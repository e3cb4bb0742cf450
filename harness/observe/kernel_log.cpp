#include "harness/observe/kernel_log.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace reflux::observe {
namespace {

constexpr std::size_t most_a_drain = 10'000;
constexpr std::size_t longest_record = 16384;  // the kernel's CONSOLE_EXT_LOG_MAX is 8192

// What the kernel says when storage, a filesystem, a lock or memory fails.
constexpr std::array<std::string_view, 36> troubles = {
    "blocked for more than",  // khungtaskd
    "INFO: ",                 // task … blocked, rcu … stall
    "WARNING: ",
    "BUG: ",
    "kernel BUG at",
    "Oops",
    "Kernel panic",
    "general protection fault",
    "soft lockup",
    "hard LOCKUP",
    "possible circular locking",  // lockdep
    "possible recursive locking",
    "inconsistent lock state",
    "possible memory allocation deadlock",  // XFS, kmem_alloc and xfs_buf
    "page allocation failure",
    "page allocation stalls",
    "oom-kill",
    "invoked oom-killer",
    "Out of memory",
    "out of memory",
    "Killed process",
    "I/O error",
    "lost async page write",
    "critical target error",
    "critical medium error",
    "timing out command",
    "rejecting I/O to offline device",
    "EXT4-fs error",
    "EXT4-fs warning",
    "Aborting journal",
    "Detected aborted journal",
    "Remounting filesystem read-only",
    "Corruption of in-memory data",  // XFS
    "hut down",                      // XFS: "has been shut down", "Please unmount", F2FS likewise
    "hutting down filesystem",
    "BTRFS error",
};

}  // namespace

bool speaks_of_trouble(std::string_view line) {
    const auto has = [&](std::string_view words) { return line.find(words) != std::string_view::npos; };
    return std::any_of(troubles.begin(), troubles.end(), has) || has("BTRFS critical") || has("BTRFS: error");
}

std::optional<KernelLogRecord> parse_kernel_log_record(std::string_view record) {
    const auto semicolon = record.find(';');
    if (semicolon == std::string_view::npos) {
        return std::nullopt;
    }
    std::uint64_t priority = 0;
    std::uint64_t microseconds = 0;
    KernelLogRecord parsed;
    const char* at = record.data();
    const char* end = record.data() + semicolon;
    for (auto* number : {&priority, &parsed.sequence, &microseconds}) {
        const auto read = std::from_chars(at, end, *number);
        if (read.ec != std::errc{} || read.ptr == end || *read.ptr != ',') {
            return std::nullopt;  // after the last of them stand the flags
        }
        at = read.ptr + 1;
    }
    parsed.level = static_cast<int>(priority & 7U);
    parsed.from_kernel = (priority >> 3U) == 0;
    parsed.time_s = static_cast<double>(microseconds) / 1e6;
    const auto text = record.substr(semicolon + 1);
    parsed.text = text.substr(0, text.find('\n'));  // the device's KEY=value lines follow
    return parsed;
}

KernelLog KernelLog::open(const std::string& path) {
    KernelLog log;
    auto file = open_file(path, O_RDONLY | O_NONBLOCK);
    if (!file) {
        log.unavailable_reason_ = file.error().message;
        return log;
    }
    if (::lseek(file->get(), 0, SEEK_END) < 0) {
        log.unavailable_reason_ = system_error("seek to the end of " + path).message;
        return log;
    }
    log.file_ = *std::move(file);
    return log;
}

Result<std::vector<KernelLogRecord>> KernelLog::drain() {
    std::vector<KernelLogRecord> records;
    std::array<char, longest_record>
        buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): written by read
    while (file_ && records.size() < most_a_drain) {
        const ssize_t n = ::read(file_.get(), buffer.data(), buffer.size());
        if (n < 0 && (errno == EINTR || errno == EPIPE)) {
            continue;  // EPIPE: records were overwritten; the next read is at the oldest that is left
        }
        if (n < 0 && errno != EAGAIN) {
            return fail_errno("read the kernel log");
        }
        if (n <= 0) {
            break;
        }
        auto record = parse_kernel_log_record(std::string_view(buffer.data(), static_cast<std::size_t>(n)));
        if (!record) {
            continue;
        }
        if (last_sequence_ && record->sequence > *last_sequence_ + 1) {
            lost_ += record->sequence - *last_sequence_ - 1;
        }
        last_sequence_ = record->sequence;
        records.push_back(*std::move(record));
    }
    return records;
}

}  // namespace reflux::observe
