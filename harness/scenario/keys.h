// The table of scenario keys: the one list by which files and --set are read, scenarios are written, and
// `reflux list keys` tells of them.
#pragma once

#include "harness/scenario/scenario.h"
#include "harness/scenario/value.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::scenario {

enum class KeyUse {
    ordinary,
    older_name,  // another name of a key: read, but never written
    file_only,   // taken by the loader of a file: never set by --set, never written
};

struct Key {
    std::string path;     // "stack.upper"; without a dot: at the top of the file
    std::string meaning;  // one line for a person
    std::string takes;    // kind of value, with unit and bounds: "a whole number from 1 to 64"
    // Checks the value and stores it. The error says what was expected, without path and origin.
    std::function<Status(Scenario&, const Value&)> set;
    // The value as TOML, as `set` reads it again.
    std::function<std::string(const Scenario&)> print;
    // The text of a --set as the kind of value that the key takes.
    std::function<Value(std::string_view)> from_text;
    KeyUse use = KeyUse::ordinary;
};

// In the order in which a scenario is written: top of the file first, then section by section.
const std::vector<Key>& keys();
const Key* find_key(std::string_view path);
// "unknown key 'stack.uper'; did you mean 'stack.upper'?"
std::string unknown_key_message(std::string_view path);

}  // namespace reflux::scenario
