// "Did you mean": the names nearest to a mistyped one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace reflux::scenario {

// Words that are near `word`, nearest first, at most three; empty when nothing is.
std::vector<std::string> near_words(std::string_view word, const std::vector<std::string>& words);
// "; did you mean 'a' or 'b'?", or "" for no words.
std::string did_you_mean(const std::vector<std::string>& words);

}  // namespace reflux::scenario
