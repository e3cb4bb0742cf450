// Which requests a fault takes: the options that all faults have.
#pragma once

#include "backend/io/fault.h"

#include <array>
#include <limits>

namespace reflux::io {

// Options first, in one thread; then takes() from any number of threads, without a lock.
class FaultSelection {
  public:
    static constexpr std::string_view options =
        "operations=read+write+flush range=FROM-TO every=N count=N probability=P seed=N";

    // False: it has no such option.
    Result<bool> set_option(std::string_view key, std::string_view value);
    // Counts: asked once a request.
    bool takes(const FaultedRequest& request);
    [[nodiscard]] std::uint64_t taken() const;

  private:
    Status set_operations(std::string_view value);
    Status set_range(std::string_view value);
    [[nodiscard]] bool is_meant(const FaultedRequest& request) const;

    static constexpr std::uint64_t no_end = std::numeric_limits<std::uint64_t>::max();
    std::array<bool, 3> operations_{true, true, true};  // by Operation
    std::uint64_t from_ = 0;                            // bytes on the disk
    std::uint64_t to_ = no_end;                         // excluded
    std::uint64_t every_ = 1;                           // of those meant, each so manieth
    std::uint64_t count_ = no_end;                      // so many, then no more
    double probability_ = 1;
    std::uint64_t seed_ = 1;
    std::atomic<std::uint64_t> meant_ = 0;
    std::atomic<std::uint64_t> taken_ = 0;
};

}  // namespace reflux::io
