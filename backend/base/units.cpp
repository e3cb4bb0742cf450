#include "backend/base/units.h"

#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace reflux {
namespace {

constexpr std::array<std::pair<std::string_view, unsigned>, 5> byte_units{
    {{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}}};

}  // namespace

Result<Bytes> parse_bytes(std::string_view text) {
    constexpr std::string_view expected =
        "expected a whole number with B, KiB, MiB, GiB or TiB, such as 64MiB";
    std::uint64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{}) {
        return fail(ErrorKind::invalid_input, fmt::format("'{}' is not a size; {}", text, expected));
    }
    const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
    if (unit.empty()) {
        return Bytes{number};
    }
    for (const auto& [name, shift] : byte_units) {
        if (unit == name) {
            if (number > (std::numeric_limits<std::uint64_t>::max() >> shift)) {
                return fail(ErrorKind::invalid_input, fmt::format("'{}' does not fit in 64 bits", text));
            }
            return Bytes{number << shift};
        }
    }
    return fail(ErrorKind::invalid_input,
                fmt::format("'{}' has no unit of size '{}'; {}", text, unit, expected));
}

Result<Seconds> parse_seconds(std::string_view text) {
    constexpr std::string_view expected = "expected a number with ms, s or min, such as 8s";
    double number = 0;
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || number < 0) {
        return fail(ErrorKind::invalid_input, fmt::format("'{}' is not a duration; {}", text, expected));
    }
    const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
    if (unit == "ms") {
        return Seconds(number / 1000);
    }
    if (unit == "s") {
        return Seconds(number);
    }
    if (unit == "min") {
        return Seconds(number * 60);
    }
    return fail(ErrorKind::invalid_input, fmt::format("'{}' has no unit of time; {}", text, expected));
}

std::string to_string(Bytes bytes) {
    for (const auto& [name, shift] : byte_units) {
        const std::uint64_t unit = std::uint64_t{1} << shift;
        if (bytes.value >= unit && bytes.value % unit == 0) {
            return fmt::format("{}{}", bytes.value / unit, name);
        }
    }
    return "0B";
}

std::string human(Bytes bytes) {
    for (const auto& [name, shift] : byte_units) {
        const std::uint64_t unit = std::uint64_t{1} << shift;
        if (shift > 0 && bytes.value >= unit) {
            return fmt::format("{:.1f} {}", static_cast<double>(bytes.value) / static_cast<double>(unit),
                               name);
        }
    }
    return fmt::format("{} B", bytes.value);
}

std::string to_string(Seconds seconds) {
    if (seconds.count() < 1) {
        return fmt::format("{:g}ms", seconds.count() * 1000);
    }
    return fmt::format("{:g}s", seconds.count());
}

}  // namespace reflux
