#include "harness/report/wrap.h"

#include <algorithm>

namespace reflux::report {
namespace {

bool continues_character(char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

std::size_t columns_of(std::string_view text) {
    return text.size() - static_cast<std::size_t>(std::ranges::count_if(text, continues_character));
}

// As much of the text as fits.
std::string_view front_of(std::string_view text, std::size_t columns) {
    std::size_t end = 0;
    while (end < text.size() && (continues_character(text[end]) || columns > 0)) {
        columns -= continues_character(text[end]) ? 0 : 1;
        ++end;
    }
    return text.substr(0, end);
}

}  // namespace

std::string printable(std::string_view text, char instead) {
    std::string clean(text);
    std::ranges::replace_if(
        clean, [](unsigned char byte) { return byte < 0x20 || byte == 0x7F; }, instead);
    return clean;
}

std::string shell_quoted(const std::string& text) {
    std::string quoted = "'";
    for (const char c : text) {
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return quoted + "'";
}

std::vector<std::string> wrapped(std::string_view text, const Layout& layout) {
    const std::string clean = printable(text);
    std::vector<std::string> lines = {std::string(layout.indent)};
    bool begun = false;  // the last line has a word
    const auto next_line = [&] {
        lines.emplace_back(layout.hang);
        begun = false;
    };
    std::string_view rest = clean;
    while (lines.size() <= layout.most) {
        rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
        if (rest.empty()) {
            return lines;
        }
        std::string_view word = rest.substr(0, rest.find(' '));
        std::size_t used = columns_of(lines.back()) + (begun ? 1 : 0);
        if (begun && used + columns_of(word) > layout.columns) {
            next_line();
            used = columns_of(lines.back());
        }
        // A whole line holds at least one character of a word, however narrow it is.
        word = front_of(word, std::max<std::size_t>(layout.columns, used + 1) - used);
        lines.back() += begun ? " " : "";
        lines.back() += word;
        begun = true;
        rest.remove_prefix(word.size());
        if (!rest.empty() && rest.front() != ' ') {
            next_line();
        }
    }
    constexpr std::string_view ellipsis = "...";
    lines.resize(layout.most);
    lines.back() =
        std::string(front_of(lines.back(), std::max(layout.columns, ellipsis.size()) - ellipsis.size()));
    lines.back() += ellipsis;
    return lines;
}

}  // namespace reflux::report
