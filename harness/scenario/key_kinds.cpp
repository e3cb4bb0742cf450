#include "harness/scenario/key_kinds.h"

#include "backend/base/kernel_file.h"

#include <charconv>

namespace reflux::scenario::kinds {

tl::unexpected<Error> expected_but(std::string_view what, const Value& found) {
    return fail(ErrorKind::invalid_input, fmt::format("expected {}, found {}", what, describe(found)));
}

bool has_form(std::string_view text, std::string_view more) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || more.find(c) != std::string_view::npos;
    });
}

std::string alternatives(const std::vector<std::string>& words) {
    return fmt::format("{}", fmt::join(words, " | "));
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

std::string size_words(Bytes least) {
    return fmt::format("a size in quotes, {} or more, such as \"64MiB\"", reflux::to_string(least));
}

Result<Bytes> size_from(const Value& value, Bytes least) {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) {
        return expected_but(size_words(least), value);
    }
    auto size = parse_bytes(*text);
    // A bare number would be read as bytes; in a file it is more likely a forgotten unit.
    if (!size || *size < least || text->find_last_not_of("0123456789") == std::string::npos) {
        return expected_but(size_words(least), value);
    }
    return size;
}

Result<Seconds> duration_from(const Value& value, const std::string& takes, Seconds least, Seconds most) {
    const auto* text = std::get_if<std::string>(&value);
    auto duration = text != nullptr ? parse_seconds(*text) : Result<Seconds>(Seconds(-1));
    if (!duration || *duration < least || *duration > most) {
        return expected_but(takes, value);
    }
    return duration;
}

Value text_from_text(std::string_view text) {
    return std::string(text);
}

Value number_from_text(std::string_view text) {
    std::int64_t number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || rest != text.data() + text.size()) {
        return std::string(text);  // not a number: the key's own error says so
    }
    return number;
}

Value list_from_text(std::string_view text) {
    return split(text, ',');
}

Key older_name(Key key, std::string_view now) {
    key.use = KeyUse::older_name;
    key.meaning = fmt::format("older name of {}", now);
    return key;
}

Key base_key(std::string path, std::string meaning) {
    return {.path = std::move(path),
            .meaning = std::move(meaning),
            .takes = "the name of a scenario beside this file, or of a shipped one",
            .set = [](Scenario& /*scenario*/, const Value& /*value*/) -> Status {
                return fail(ErrorKind::invalid_input, "can be set in a file only");
            },
            .print = [](const Scenario& /*scenario*/) { return quoted(""); },
            .from_text = text_from_text,
            .use = KeyUse::file_only};
}

}  // namespace reflux::scenario::kinds
