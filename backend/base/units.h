// Quantities as types, so that bytes, sectors, zones and seconds are not mistaken for one another, and their
// written forms ("64MiB", "8s").
#pragma once

#include "backend/base/result.h"

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace reflux {

// An integer with a unit. Same-unit sums, differences and comparisons only; a change of unit is a named
// function.
template <class Tag>
struct Quantity {
    std::uint64_t value = 0;

    constexpr auto operator<=>(const Quantity&) const = default;
    constexpr Quantity operator+(Quantity other) const { return {value + other.value}; }
    constexpr Quantity operator-(Quantity other) const { return {value - other.value}; }
    constexpr Quantity& operator+=(Quantity other) {
        value += other.value;
        return *this;
    }
};

using Bytes = Quantity<struct BytesTag>;
// Logical block of 512 bytes, the kernel's sector_t unit.
using Sector = Quantity<struct SectorTag>;
// Index of a zone, from 0.
using ZoneId = Quantity<struct ZoneIdTag>;

constexpr std::uint64_t sector_size = 512;
constexpr Bytes kibibytes(std::uint64_t n) {
    return {n << 10U};
}
constexpr Bytes mebibytes(std::uint64_t n) {
    return {n << 20U};
}
constexpr Bytes gibibytes(std::uint64_t n) {
    return {n << 30U};
}
constexpr Bytes bytes_of(Sector sectors) {
    return {sectors.value * sector_size};
}

using Seconds = std::chrono::duration<double>;

// "512", "40KiB", "64MiB", "2GiB"; binary units only, whole numbers. The error says what was expected.
Result<Bytes> parse_bytes(std::string_view text);
// "250ms", "8s", "2min"; a bare number is an error, for its unit would be a guess.
Result<Seconds> parse_seconds(std::string_view text);
// The largest binary unit that divides evenly ("64MiB"), as parse_bytes reads it.
std::string to_string(Bytes bytes);
// For people: "12.3 MiB".
std::string human(Bytes bytes);
std::string to_string(Seconds seconds);

}  // namespace reflux
