// Text of runs made harmless, whatever document it is put in. What names, log lines and folders hold may be
// anything: bytes that are no UTF-8, and characters that XML does not allow or that change the direction of
// text, become U+FFFD; control characters but '\n' and '\t' become their pictures (ESC: U+241B), so that they
// are seen and do nothing. What a document's own syntax needs is escaped by who writes it. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace reflux::report {

struct HarmlessCharacter {
    std::size_t bytes = 1;  // that it takes in the text
    std::string shown;      // UTF-8, never empty
};
// The first one of a text that is not empty.
HarmlessCharacter front_of(std::string_view text);

std::string harmless(std::string_view text);

}  // namespace reflux::report
