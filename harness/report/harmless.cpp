#include "harness/report/harmless.h"

#include <array>
#include <cstdint>
#include <optional>

namespace reflux::report {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

// One character of UTF-8 at the front of a text.
struct Character {
    std::uint32_t code = 0;
    std::size_t bytes = 1;
};

// nullopt: what stands there is none (Unicode, table 3-7: shortest forms only, no surrogates).
std::optional<Character> decoded_front_of(std::string_view text) {
    const auto byte = [&text](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const std::uint32_t first = byte(0);
    if (first < 0x80) {
        return Character{.code = first, .bytes = 1};
    }
    const std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    if (first < 0xC2 || first > 0xF4) {
        return std::nullopt;
    }
    std::uint32_t code = first & (0x3FU >> more);
    for (std::size_t i = 1; i <= more; ++i) {
        if ((byte(i) & 0xC0U) != 0x80U) {
            return std::nullopt;
        }
        code = code << 6U | (byte(i) & 0x3FU);
    }
    constexpr std::array<std::uint32_t, 4> least{0, 0x80, 0x800, 0x10000};
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (code < least.at(more) || code > 0x10FFFF || surrogate) {
        return std::nullopt;
    }
    return Character{.code = code, .bytes = more + 1};
}

bool changes_direction(std::uint32_t code) {
    return code == 0x061C || code == 0x200E || code == 0x200F || (code >= 0x202A && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069);
}

bool is_in_xml(std::uint32_t code) {
    return (code < 0x7F || code > 0x9F) && (code & 0xFFFEU) != 0xFFFE;
}

// U+2400 and on: a picture for each control character.
std::string picture_of(std::uint32_t control) {
    const std::uint32_t code = control == 0x7F ? 0x2421 : 0x2400 + control;
    return {static_cast<char>(0xE0U | code >> 12U), static_cast<char>(0x80U | (code >> 6U & 0x3FU)),
            static_cast<char>(0x80U | (code & 0x3FU))};
}

}  // namespace

HarmlessCharacter front_of(std::string_view text) {
    const auto character = decoded_front_of(text);
    if (!character) {
        return {.bytes = 1, .shown = std::string(replacement)};
    }
    const auto& [code, bytes] = *character;
    const bool is_space = code == '\n' || code == '\t';
    if ((code < 0x20 && !is_space) || code == 0x7F) {
        return {.bytes = bytes, .shown = picture_of(code)};
    }
    const bool stands = is_in_xml(code) && !changes_direction(code);
    return {.bytes = bytes, .shown = std::string(stands ? text.substr(0, bytes) : replacement)};
}

std::string harmless(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const auto character = front_of(text);
        out += character.shown;
        text.remove_prefix(character.bytes);
    }
    return out;
}

}  // namespace reflux::report
