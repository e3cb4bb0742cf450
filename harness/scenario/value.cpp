#include "harness/scenario/value.h"

#include <algorithm>

#include <toml++/toml.h>

namespace reflux::scenario {
namespace {

std::string kind_name(toml::node_type type) {
    switch (type) {
        case toml::node_type::boolean:
            return "a boolean";
        case toml::node_type::floating_point:
            return "a number with a fraction";
        case toml::node_type::array:
            return "a list that holds something other than texts";
        case toml::node_type::table:
            return "a table";
        default:
            return "a date or time";
    }
}

Value value_of(const toml::node& node) {
    if (const auto* text = node.as_string()) {
        return text->get();
    }
    if (const auto* number = node.as_integer()) {
        return number->get();
    }
    if (const auto* array = node.as_array(); array != nullptr) {
        std::vector<std::string> texts;
        for (const toml::node& element : *array) {
            const auto* text = element.as_string();
            if (text == nullptr) {
                return OtherValue{kind_name(node.type())};
            }
            texts.push_back(text->get());
        }
        return texts;
    }
    return OtherValue{kind_name(node.type())};
}

struct Placed {
    toml::source_index line;
    Entry entry;
};

void flatten(const toml::table& table, const std::string& prefix, const std::string& file,
             std::vector<Placed>& out) {
    for (const auto& [key, node] : table) {
        const std::string path =
            prefix.empty() ? std::string(key.str()) : fmt::format("{}.{}", prefix, key.str());
        const auto line = key.source().begin.line;
        const auto* inner = node.as_table();
        // Sections are one level deep; a table in a section, or an empty one, is a value of its key.
        if (inner != nullptr && prefix.empty() && !inner->empty()) {
            flatten(*inner, path, file, out);
        } else {
            out.push_back({line, {path, value_of(node), fmt::format("{}:{}", file, line)}});
        }
    }
}

}  // namespace

std::string describe(const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) {
        return fmt::format("the text '{}'", *text);
    }
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
        return fmt::format("the number {}", *number);
    }
    if (const auto* other = std::get_if<OtherValue>(&value)) {
        return other->what;
    }
    return "a list";
}

Result<std::vector<Entry>> parse_toml(std::string_view text, const std::string& file) {
    try {
        const toml::table table = toml::parse(text, file);
        std::vector<Placed> placed;
        flatten(table, "", file, placed);
        std::stable_sort(placed.begin(), placed.end(),
                         [](const Placed& a, const Placed& b) { return a.line < b.line; });
        std::vector<Entry> entries;
        entries.reserve(placed.size());
        for (Placed& one : placed) {
            entries.push_back(std::move(one.entry));
        }
        return entries;
    } catch (const toml::parse_error& error) {
        return fail(ErrorKind::invalid_input, fmt::format("{}:{}: not valid TOML: {}", file,
                                                          error.source().begin.line, error.description()));
    }
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
        } else {
            out += c;
        }
    }
    return out + '"';
}

}  // namespace reflux::scenario
