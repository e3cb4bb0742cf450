#include "harness/report/html/markup.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

namespace reflux::report::html {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

// One character of UTF-8 at the front of a text.
struct Character {
    std::uint32_t code = 0;
    std::size_t bytes = 1;
};

// nullopt: what stands there is none (Unicode, table 3-7: shortest forms only, no surrogates).
std::optional<Character> front_of(std::string_view text) {
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

void add_escaped(std::string_view bytes, std::uint32_t code, std::string& out) {
    switch (code) {
        case '&':
            out += "&amp;";
            return;
        case '<':
            out += "&lt;";
            return;
        case '>':
            out += "&gt;";
            return;
        case '"':
            out += "&quot;";
            return;
        case '\'':
            out += "&#39;";
            return;
        case '\n':
        case '\t':
            out += static_cast<char>(code);
            return;
        default:
            break;
    }
    if (code < 0x20 || code == 0x7F) {
        out += picture_of(code);
    } else if (!is_in_xml(code) || changes_direction(code)) {
        out += replacement;
    } else {
        out += bytes;
    }
}

constexpr auto looks = std::to_array<OutcomeLook>({
    {"completes", "completes", "complete", 1},
    {"slow", "slow", "slow", 4},
    {"livelock", "livelock", "livelocks", 7},
    {"deadlock", "deadlock", "deadlocks", 8},
    {"daemon_killed", "killed", "daemons killed", 6},
    {"io_error", "error", "I/O errors", 5},
    {"inconclusive", "open", "inconclusive", 3},
    {"unsupported", "none", "unsupported", 0},
    {"harness_error", "harness", "harness errors", 2},
});
constexpr OutcomeLook unknown{"unknown", "open", "unknown", 3};

// 16 by 16; each has an outline of its own, and what stands in it is cut out.
struct Shape {
    std::string_view style;
    std::string_view path;
};
constexpr auto all_shapes = std::to_array<Shape>({
    // a disc with a tick
    {"completes",
     "M8 .5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15zM7 11.6 3.5 8.1l1.3-1.3L7 "
     "9l4.3-4.3 1.3 1.3z"},
    // a triangle with a bar
    {"slow", "M8 1 .5 15h15zM7 6h2v4.5H7zM7 11.6h2v1.9H7z"},
    // a diamond with two arrows' worth of waves
    {"livelock",
     "M8 0 16 8 8 16 0 8zM4 6.2h6V4.4L13 7l-3 2.6V7.8H4zM12 9h-1.5v1.2H8V8.8l-3 2 3 "
     "2v-1.4h4z"},
    // an octagon with a bar, as a sign that says stop
    {"deadlock", "M4.7 0h6.6L16 4.7v6.6L11.3 16H4.7L0 11.3V4.7zM3 6.6v2.8h10V6.6z"},
    // a square with a cross
    {"killed", "M1 1h14v14H1zM5 3.6 3.6 5l3 3-3 3L5 12.4l3-3 3 3 1.4-1.4-3-3 3-3L11 3.6l-3 3z"},
    // a triangle on its head with a mark
    {"error", "M.5 1h15L8 15.5zM7 3h2v5H7zM7 9.2h2v2H7z"},
    // a ring with a dot
    {"open",
     "M8 .5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15zM8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 "
     "0 0 1 0-11zM8 6a2 2 0 1 1 0 4 2 2 0 0 1 0-4z"},
    // a dash in a ring
    {"none",
     "M8 .5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15zM8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 "
     "0 0 1 0-11zM4.5 7h7v2h-7z"},
    // a square frame with a bar
    {"harness", "M1 1h14v14H1zM3 3v10h10V3zM7 4.5h2v4.5H7zM7 10h2v2H7z"},
});

}  // namespace

std::string escaped(std::string_view text, std::size_t most) {
    std::string out;
    out.reserve(std::min(text.size(), most) + 16);
    const std::size_t whole = text.size();
    while (!text.empty()) {
        const auto character = front_of(text);
        if (whole - text.size() + (character ? character->bytes : 1) > most) {
            return out + "…";
        }
        if (character) {
            add_escaped(text.substr(0, character->bytes), character->code, out);
        } else {
            out += replacement;
        }
        text.remove_prefix(character ? character->bytes : 1);
    }
    return out;
}

const OutcomeLook& look_of(std::string_view outcome) {
    const auto* found = std::ranges::find(looks, outcome, &OutcomeLook::word);
    return found == looks.end() ? unknown : *found;
}

std::string shapes() {
    std::string out =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"0\" height=\"0\" class=\"shapes\" "
        "aria-hidden=\"true\" focusable=\"false\"><defs>\n";
    for (const auto& one : all_shapes) {
        out += fmt::format(
            "<symbol id=\"o-{}\" viewBox=\"0 0 16 16\"><path fill-rule=\"evenodd\" d=\"{}\"/></symbol>\n",
            one.style, one.path);
    }
    return out +
           "<marker id=\"arrow\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" "
           "markerHeight=\"7\" orient=\"auto-start-reverse\"><path d=\"M0 0 10 5 0 10z\" "
           "class=\"arrow\"/></marker>\n"
           "<pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
           "patternTransform=\"rotate(45)\"><path d=\"M0 0V6\" class=\"hatch\"/></pattern>\n"
           "</defs></svg>\n";
}

std::string shape(std::string_view outcome) {
    const auto style = look_of(outcome).style;
    return fmt::format(R"(<svg class="i {0}" aria-hidden="true"><use href="#o-{0}"/></svg>)", style);
}

std::string outcome_mark(std::string_view outcome) {
    return fmt::format(R"(<span class="o {}">{}{}</span>)", look_of(outcome).style, shape(outcome),
                       escaped(outcome, 40));
}

std::string short_time(double seconds) {
    seconds = std::clamp(seconds, -1e6, 1e12);
    if (seconds >= 120) {
        const auto whole = std::llround(seconds);
        return fmt::format("{} min {} s", whole / 60, whole % 60);
    }
    return seconds < 9.95 ? fmt::format("{:.1f} s", seconds) : fmt::format("{:.0f} s", seconds);
}

std::string short_bytes(double bytes) {
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < units.size()) {
        bytes /= 1024;
        ++unit;
    }
    return fmt::format("{:.3g} {}", bytes, units.at(unit));
}

}  // namespace reflux::report::html
