// The number of a zone as users write it.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace reflux {

// A decimal number below `count` in the one way of writing it, without sign and leading zeroes; nothing else.
inline std::optional<std::uint64_t> parse_zone_number(std::string_view text, std::uint64_t count) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_whole = error == std::errc{} && end == text.data() + text.size();
    const bool is_padded = text.size() > 1 && text.front() == '0';
    return is_whole && !is_padded && number < count ? std::optional(number) : std::nullopt;
}

}  // namespace reflux
