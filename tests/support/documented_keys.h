// A page under docs/ that lists the keys of a JSON file, and the keys of such a file: each as paths
// ("stall.snapshots[].at_s"), so that a test can compare them.
#pragma once

#include "backend/base/kernel_file.h"

#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace reflux::test {

namespace documented {

// "`a[]`, `b.c`" gives {"a[]", "b.c"}.
inline std::vector<std::string> code_spans(const std::string& line) {
    std::vector<std::string> spans;
    for (std::size_t open = line.find('`'); open != std::string::npos; open = line.find('`', open + 1)) {
        const std::size_t begin = open + 1;
        open = line.find('`', begin);
        spans.push_back(line.substr(begin, open - begin));
    }
    return spans;
}

}  // namespace documented

// The keys that `page` lists below its heading "## FILE": first cells of tables, below a heading "### `A`,
// `B[]`" as keys of A and of the elements of B. Each key is to stand there once.
inline std::multiset<std::string> documented_keys(const std::string& page, const std::string& file) {
    std::multiset<std::string> keys;
    std::vector<std::string> owners;
    bool inside = false;
    for (const std::string& line : lines_of(read_file(page).value())) {
        if (line.starts_with("## ")) {
            inside = line == "## " + file;
            owners = {""};
        } else if (line.starts_with("### ")) {
            owners = documented::code_spans(line);
        } else if (inside && line.starts_with("| `")) {
            for (const std::string& owner : owners) {
                const std::string key = documented::code_spans(line).front();
                keys.insert(owner.empty() ? key : owner + "." + key);
            }
        }
    }
    return keys;
}

// The keys in `json` and in all that it holds. Lists that are empty show none of theirs.
inline std::set<std::string> keys_of(const nlohmann::json& json, const std::string& path = "") {
    std::set<std::string> keys;
    for (const auto& [key, value] : json.items()) {
        if (!json.is_structured()) {
            break;
        }
        const std::string name = json.is_array() ? path + "[]" : path.empty() ? key : path + "." + key;
        if (json.is_object()) {
            keys.insert(name);
        }
        keys.merge(keys_of(value, name));
    }
    return keys;
}

}  // namespace reflux::test
