// The run's own slice of the kernel log, from /dev/kmsg (Documentation/ABI/testing/dev-kmsg).
#pragma once

#include "backend/base/result.h"
#include "backend/base/unique_fd.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::observe {

struct KernelLogRecord {
    int level = 0;               // 0 emergency … 7 debug
    bool from_kernel = true;     // false: a program wrote it to /dev/kmsg
    std::uint64_t sequence = 0;  // counts up by one a record
    double time_s = 0;  // since boot, of the log's own clock (it may differ from CLOCK_MONOTONIC by ms)
    std::string text;   // unprintable bytes as the kernel escapes them, \xNN
};
// One record as read(2) gives it, "6,339,5140900,-;text\n KEY=value\n"; nullopt: it is none.
std::optional<KernelLogRecord> parse_kernel_log_record(std::string_view record);

// Does the line tell of a hang, an error of storage or filesystem, or a kill for lack of memory?
bool speaks_of_trouble(std::string_view line);

class KernelLog {
  public:
    // Begins at the end of the log. A log that cannot be read (no device, no privilege) is no error: drain()
    // then gives nothing and unavailable_reason() says why.
    static KernelLog open(const std::string& path = "/dev/kmsg");

    [[nodiscard]] bool available() const { return static_cast<bool>(file_); }
    [[nodiscard]] const std::string& unavailable_reason() const { return unavailable_reason_; }

    // Records since the last drain, at most 10,000 a call. Never waits.
    Result<std::vector<KernelLogRecord>> drain();
    // Records that the kernel overwrote before they were read.
    [[nodiscard]] std::uint64_t lost() const { return lost_; }

  private:
    UniqueFd file_;
    std::string unavailable_reason_;
    std::optional<std::uint64_t> last_sequence_;
    std::uint64_t lost_ = 0;
};

}  // namespace reflux::observe
