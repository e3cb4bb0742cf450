#include "harness/report/html/markup.h"

#include "harness/report/harmless.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace reflux::report::html {
namespace {

void add_escaped(std::string_view character, std::string& out) {
    switch (character.front()) {
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
        default:
            out += character;
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
        if (whole - text.size() + character.bytes > most) {
            return out + "…";
        }
        add_escaped(character.shown, out);
        text.remove_prefix(character.bytes);
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
