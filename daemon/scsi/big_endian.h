// Numbers in CDBs and parameter data: big-endian (SPC-5 clause 3.4), at any offset.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

namespace reflux::scsi {

// All of the number lies in `bytes`, whose elements are of one byte.
template <std::unsigned_integral T, class Bytes>
constexpr void put_be(Bytes&& bytes, std::size_t offset, T value) {
    using Byte = std::remove_cvref_t<decltype(bytes[0])>;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        bytes[offset + i] = static_cast<Byte>(value >> (8 * (sizeof(T) - 1 - i)));
    }
}

template <std::unsigned_integral T, class Bytes>
constexpr T get_be(const Bytes& bytes, std::size_t offset) {
    std::make_unsigned_t<std::common_type_t<T, unsigned>> value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        value = value << 8U | static_cast<unsigned char>(bytes[offset + i]);
    }
    return static_cast<T>(value);
}

}  // namespace reflux::scsi
