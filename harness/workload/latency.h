// How long the steps of the workload took: a histogram of fixed size, log-linear as HdrHistogram's, which a
// worker fills in the shared region and the harness reads while the worker may hang.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace reflux::workload {

// Times are in microseconds. Those below 16 have a bucket each; from there on every power of two is cut into
// 16 buckets of the same width, up to 2^30 us (1074 s), what is longer goes into the last one. A bucket
// stands for its middle, so that a time is told within 1/32 (3.1 %) of what it was; the longest is kept
// exactly.
inline constexpr unsigned latency_sub_bits = 4;
inline constexpr unsigned latency_top_bit = 30;
inline constexpr std::uint64_t latency_sub_buckets = 1U << latency_sub_bits;
inline constexpr std::size_t latency_buckets = latency_sub_buckets * (latency_top_bit - latency_sub_bits + 1);

std::size_t latency_bucket(std::uint64_t us);
// The middle of a bucket, in microseconds.
double latency_middle(std::size_t bucket);

// What was recorded up to a moment. Plain data.
struct Latencies {
    std::array<std::uint64_t, latency_buckets> counts{};
    std::uint64_t longest_us = 0;

    void add(std::uint64_t us);
    void add(const Latencies& other);
    [[nodiscard]] std::uint64_t count() const;
    // Of the nearest rank: the shortest recorded time that `share` (0 to 1) of all do not exceed, within the
    // error above; seconds, 0 where nothing was recorded.
    [[nodiscard]] double quantile_s(double share) const;
    [[nodiscard]] double longest_s() const;
};

// The same in shared memory. One thread of one process records, any other takes copies, without a lock:
// counters of one copy may be of slightly different moments.
class LatencyHistogram {
  public:
    void record(std::uint64_t us);
    [[nodiscard]] Latencies copy() const;

  private:
    std::array<std::atomic<std::uint64_t>, latency_buckets> counts_{};
    std::atomic<std::uint64_t> longest_us_{0};
};

}  // namespace reflux::workload
