// Checksums of metadata: CRC-32C (Castagnoli) of our own, CRC-32 of the kernel's. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace reflux {

// Of `bytes` with the four of them at `field` taken as zeroes: where the checksum itself lies. By the
// processor's own instruction where it has one (SSE 4.2).
std::uint32_t checksum_of(std::span<const std::byte> bytes, std::size_t field);

// CRC-32 (IEEE 802.3) as the kernel's crc32_le() has it: from `seed`, which goes on from an earlier call, and
// inverted neither at the start nor at the end.
std::uint32_t crc32_le(std::uint32_t seed, std::span<const std::byte> bytes);

}  // namespace reflux
