// Numbers in blocks of metadata: little-endian, at any offset.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace reflux {

// All of the number lies in `block`.
template <std::unsigned_integral T>
void put(std::span<std::byte> block, std::size_t offset, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        block[offset + i] = static_cast<std::byte>(value >> (8 * i));
    }
}

template <std::unsigned_integral T>
T get(std::span<const std::byte> block, std::size_t offset) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        value |= std::to_integer<std::uint64_t>(block[offset + i]) << (8 * i);
    }
    return static_cast<T>(value);
}

}  // namespace reflux
