// How often each errno ended a request. Lock-free, and nothing is allocated to count.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <string.h>

#include <fmt/format.h>

namespace reflux::io {

struct ErrorCount {
    std::string name;  // "ENOMEM"; of an errno that the C library has no name for its number
    std::uint64_t count = 0;
};

class ErrorCounts {
  public:
    // 0 is no error and not counted. Threads: any.
    void add(int errnum) {
        if (errnum != 0) {
            const auto at = static_cast<std::size_t>(errnum);
            counts_.at(at < counts_.size() ? at : 0).fetch_add(1, std::memory_order_relaxed);
        }
    }
    // Those that came, in the order of their numbers. Threads: any.
    [[nodiscard]] std::vector<ErrorCount> list() const {
        std::vector<ErrorCount> all;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            if (const auto count = counts_.at(i).load(std::memory_order_relaxed); count > 0) {
                const char* const name = i == 0 ? "unknown" : ::strerrorname_np(static_cast<int>(i));
                all.push_back({.name = name != nullptr ? name : fmt::format("{}", i), .count = count});
            }
        }
        return all;
    }

  private:
    // Linux' own end at EHWPOISON, 133. Place 0 is for what is none.
    std::array<std::atomic<std::uint64_t>, 134> counts_{};
};

}  // namespace reflux::io
