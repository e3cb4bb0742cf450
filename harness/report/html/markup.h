// Pieces of the page: text made harmless, and the marks of outcomes. The page is HTML that is well-formed XML
// too, so that any parser reads it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace reflux::report::html {

// Text as it may stand between tags and in quoted attributes, harmless (report/harmless.h). Text that is
// longer than `most` bytes ends in an ellipsis.
inline constexpr std::size_t most_text = 2000;
std::string escaped(std::string_view text, std::size_t most = most_text);

// How an outcome is shown: each word has a colour, a shape and itself, so that none of the three is needed.
struct OutcomeLook {
    std::string_view word;    // of the verdict
    std::string_view style;   // class, and id of the shape
    std::string_view plural;  // for counts: "deadlocks"
    int gravity;              // which of several is told first; the gravest has the highest
};
// That of a word; of one that is not known the look of something that is not known.
const OutcomeLook& look_of(std::string_view outcome);

// <svg> with the definitions of all shapes; once in a page, before what uses them.
std::string shapes();
// The shape alone, for where the word stands beside it.
std::string shape(std::string_view outcome);
// Shape and word.
std::string outcome_mark(std::string_view outcome);

// "1.4 s", "12 s", "3 min 20 s": of a time on the page.
std::string short_time(double seconds);
// "64 MiB", "1.5 GiB"
std::string short_bytes(double bytes);

}  // namespace reflux::report::html
