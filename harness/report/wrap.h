// Text for people in lines of a given width.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::report {

// How a paragraph is laid out. A column is a character of UTF-8.
struct Layout {
    std::size_t columns = 120;
    std::string_view indent;  // before the first line
    std::string_view hang;    // before the others
    std::size_t most = 2;     // lines; a text that is longer ends in "..."
};
// Breaks at spaces, and within a word that is longer than a line. Control characters become spaces, so that
// the text of a log or the name of a task can do nothing to a terminal. At least one line.
std::vector<std::string> wrapped(std::string_view text, const Layout& layout);

// The text with `instead` for each control character.
std::string printable(std::string_view text, char instead = ' ');

// As one word of a shell's command line.
std::string shell_quoted(const std::string& text);

}  // namespace reflux::report
