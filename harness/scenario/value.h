// A value of a scenario file before its key has judged it, and where it was written. Files and --set become
// the same entries, so that one key table reads both.
#pragma once

#include "backend/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace reflux::scenario {

// A TOML value of a kind that no key takes; `what` names it for the error ("a boolean").
struct OtherValue {
    std::string what;
};
using Value = std::variant<std::string, std::int64_t, std::vector<std::string>, OtherValue>;

struct Entry {
    std::string path;  // dotted: "stack.upper"
    Value value;
    std::string origin;  // "FILE:LINE", or "--set stack.upper=zfs"
};

// For error messages: "the text 'zfs'", "the number 3", "a list".
std::string describe(const Value& value);

// Parses TOML text into entries in order of lines; tables are flattened. `file` is for origins and messages
// only. Fails with FILE:LINE when the text is not valid TOML.
Result<std::vector<Entry>> parse_toml(std::string_view text, const std::string& file);

// `text` as a TOML basic string, with its quotes.
std::string quoted(std::string_view text);

}  // namespace reflux::scenario
