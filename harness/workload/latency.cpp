#include "harness/workload/latency.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace reflux::workload {
namespace {

constexpr double us_per_s = 1e6;

}  // namespace

std::size_t latency_bucket(std::uint64_t us) {
    if (us < latency_sub_buckets) {
        return us;
    }
    if (us >> latency_top_bit != 0) {
        return latency_buckets - 1;
    }
    const auto power = static_cast<unsigned>(std::bit_width(us)) - 1;
    const unsigned shift = power - latency_sub_bits;
    return latency_sub_buckets * (shift + 1) + ((us >> shift) - latency_sub_buckets);
}

double latency_middle(std::size_t bucket) {
    if (bucket < latency_sub_buckets) {
        return static_cast<double>(bucket);
    }
    const auto shift = bucket / latency_sub_buckets - 1;
    const std::uint64_t low = (latency_sub_buckets + bucket % latency_sub_buckets) << shift;
    const std::uint64_t last = low + (std::uint64_t{1} << shift) - 1;
    return static_cast<double>(low + last) / 2;
}

void Latencies::add(std::uint64_t us) {
    ++counts.at(latency_bucket(us));
    longest_us = std::max(longest_us, us);
}

void Latencies::add(const Latencies& other) {
    std::ranges::transform(counts, other.counts, counts.begin(), std::plus{});
    longest_us = std::max(longest_us, other.longest_us);
}

std::uint64_t Latencies::count() const {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

double Latencies::quantile_s(double share) const {
    const std::uint64_t all = count();
    if (all == 0) {
        return 0;
    }
    const auto rank = std::clamp<std::uint64_t>(
        static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(all))), 1, all);
    if (rank == all) {
        return longest_s();
    }
    std::uint64_t seen = 0;
    std::size_t bucket = 0;
    for (; bucket < counts.size(); ++bucket) {
        seen += counts.at(bucket);
        if (seen >= rank) {
            break;
        }
    }
    return std::min(latency_middle(bucket) / us_per_s, longest_s());
}

double Latencies::longest_s() const {
    return static_cast<double>(longest_us) / us_per_s;
}

void LatencyHistogram::record(std::uint64_t us) {
    counts_.at(latency_bucket(us)).fetch_add(1, std::memory_order_relaxed);
    if (us > longest_us_.load(std::memory_order_relaxed)) {
        longest_us_.store(us, std::memory_order_relaxed);
    }
}

Latencies LatencyHistogram::copy() const {
    Latencies all;
    std::ranges::transform(counts_, all.counts.begin(),
                           [](const auto& count) { return count.load(std::memory_order_relaxed); });
    all.longest_us = longest_us_.load(std::memory_order_relaxed);
    return all;
}

}  // namespace reflux::workload
