// CRC-32C (Castagnoli), the checksum of all metadata. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace reflux {

// Of `bytes` with the four of them at `field` taken as zeroes: where the checksum itself lies. By the
// processor's own instruction where it has one (SSE 4.2).
std::uint32_t checksum_of(std::span<const std::byte> bytes, std::size_t field);

}  // namespace reflux
