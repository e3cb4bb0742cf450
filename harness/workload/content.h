// Pseudo-random numbers and file content. Pure: content is a function of (seed, worker, number of the
// content, offset), so that the verifier needs no copy of what was written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace reflux::workload {

// SplitMix64 (Steele, Lea and Flood 2014): a bijective mix of 64 bits.
constexpr std::uint64_t mix(std::uint64_t value) {
    value += 0x9e3779b97f4a7c15ULL;
    value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27U)) * 0x94d049bb133111ebULL;
    return value ^ (value >> 31U);
}

// A stream of random numbers of its own for each (seed, worker, step).
class Random {
  public:
    Random(std::uint64_t seed, std::uint32_t worker, std::uint64_t step)
        : state_(mix(mix(mix(seed) ^ worker) ^ ~step)) {}
    std::uint64_t next() { return mix(state_++); }
    // From 0 to limit - 1; limit > 0.
    std::uint32_t below(std::uint32_t limit) {
        return static_cast<std::uint32_t>(((next() >> 32U) * limit) >> 32U);
    }
    // True once in `n` times on average.
    bool one_in(std::uint32_t n) { return below(n) == 0; }

  private:
    std::uint64_t state_;
};

// The bytes of one content. A content is never shorter than another: it has no end.
class Content {
  public:
    Content(std::uint64_t seed, std::uint32_t worker, std::uint32_t number)
        : key_(mix(mix(mix(seed) ^ worker) + number)) {}
    // Writes the bytes from `offset` on.
    void fill(std::uint64_t offset, std::span<std::byte> bytes) const;

  private:
    std::uint64_t key_;
};

// Index of the first byte in which the two differ; equal lengths.
std::optional<std::size_t> first_difference(std::span<const std::byte> found,
                                            std::span<const std::byte> wanted);

}  // namespace reflux::workload
