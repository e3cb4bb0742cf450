// Keys by the kind of their value: how it is checked, stored, written and told. The rows of keys.cpp are made
// of these, and of nothing else. `field` returns the member of a (const) Scenario that the key stands for.
#pragma once

#include "harness/scenario/keys.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace reflux::scenario::kinds {

tl::unexpected<Error> expected_but(std::string_view what, const Value& found);
// Of a-z, 0-9 and the characters of `more`, and not empty.
bool has_form(std::string_view text, std::string_view more);
// "a | b | c"
std::string alternatives(const std::vector<std::string>& words);
bool contains(const std::vector<std::string>& words, const std::string& word);

// What size_key takes, and a value read so.
std::string size_words(Bytes least);
Result<Bytes> size_from(const Value& value, Bytes least);
Result<Seconds> duration_from(const Value& value, const std::string& takes, Seconds least, Seconds most);

// Key::from_text of each kind.
Value text_from_text(std::string_view text);
Value number_from_text(std::string_view text);
Value list_from_text(std::string_view text);

// A text that `accepts` takes; `takes` says what that is.
template <class Field, class Accepts>
Key accepted_key(std::string path, std::string meaning, const std::string& takes, Accepts accepts,
                 Field field) {
    return {.path = std::move(path),
            .meaning = std::move(meaning),
            .takes = takes,
            .set = [takes, accepts, field](Scenario& scenario, const Value& value) -> Status {
                const auto* text = std::get_if<std::string>(&value);
                if (text == nullptr || !accepts(*text)) {
                    return expected_but(takes, value);
                }
                field(scenario) = *text;
                return {};
            },
            .print = [field](const Scenario& scenario) { return scenario::quoted(field(scenario)); },
            .from_text = text_from_text};
}

template <class Field>
Key text_key(std::string path, std::string meaning, Field field) {
    return accepted_key(
        std::move(path), std::move(meaning), "a text", [](const std::string&) { return true; }, field);
}

// The name of another scenario, or "".
template <class Field>
Key name_key(std::string path, std::string meaning, Field field) {
    return accepted_key(
        std::move(path), std::move(meaning), "the name of a scenario, without folder and .toml",
        [](const std::string& text) { return text.empty() || has_form(text, "-_"); }, field);
}

template <class Field>
Key word_key(std::string path, std::string meaning, const std::vector<std::string>& words, Field field) {
    return accepted_key(
        std::move(path), std::move(meaning), "one of " + alternatives(words),
        [words](const std::string& text) { return contains(words, text); }, field);
}

template <class Field>
Key size_key(std::string path, std::string meaning, Bytes least, Field field) {
    return {.path = std::move(path),
            .meaning = std::move(meaning),
            .takes = size_words(least),
            .set = [least, field](Scenario& scenario, const Value& value) -> Status {
                REFLUX_TRY(field(scenario), size_from(value, least));
                return {};
            },
            .print =
                [field](const Scenario& scenario) {
                    return scenario::quoted(reflux::to_string(field(scenario)));
                },
            .from_text = text_from_text};
}

// A size, or "none".
template <class Field>
Key limit_key(std::string path, std::string meaning, Field field) {
    const Bytes least = mebibytes(16);  // below this the daemon itself does not start in the memcg
    return {.path = std::move(path),
            .meaning = std::move(meaning),
            .takes = "\"none\", or " + size_words(least),
            .set = [least, field](Scenario& scenario, const Value& value) -> Status {
                if (const auto* text = std::get_if<std::string>(&value); text != nullptr && *text == "none") {
                    field(scenario).reset();
                    return {};
                }
                const auto size = size_from(value, least);
                if (!size) {
                    return expected_but("\"none\", or " + size_words(least), value);
                }
                field(scenario) = *size;
                return {};
            },
            .print =
                [field](const Scenario& scenario) {
                    const std::optional<Bytes>& limit = field(scenario);
                    return scenario::quoted(limit ? reflux::to_string(*limit) : "none");
                },
            .from_text = text_from_text};
}

template <class Field>
Key duration_key(std::string path, std::string meaning, Seconds least, Seconds most, Field field) {
    const std::string takes = fmt::format("a duration in quotes from {} to {}, such as \"8s\"",
                                          reflux::to_string(least), reflux::to_string(most));
    return {.path = std::move(path),
            .meaning = std::move(meaning),
            .takes = takes,
            .set = [takes, least, most, field](Scenario& scenario, const Value& value) -> Status {
                REFLUX_TRY(field(scenario), duration_from(value, takes, least, most));
                return {};
            },
            .print =
                [field](const Scenario& scenario) {
                    return scenario::quoted(reflux::to_string(field(scenario)));
                },
            .from_text = text_from_text};
}

template <class Field>
Key number_key(std::string path, std::string meaning, std::int64_t least, std::int64_t most, Field field) {
    const std::string takes = fmt::format("a whole number from {} to {}", least, most);
    return {.path = std::move(path),
            .meaning = std::move(meaning),
            .takes = takes,
            .set = [takes, least, most, field](Scenario& scenario, const Value& value) -> Status {
                const auto* number = std::get_if<std::int64_t>(&value);
                if (number == nullptr || *number < least || *number > most) {
                    return expected_but(takes, value);
                }
                using Number = std::remove_reference_t<decltype(field(scenario))>;
                field(scenario) = static_cast<Number>(*number);
                return {};
            },
            .print = [field](const Scenario& scenario) { return fmt::format("{}", field(scenario)); },
            .from_text = number_from_text};
}

// A list in which `accepts` holds for every element; `takes` says what that is.
template <class Field, class Accepts>
Key list_key(std::string path, std::string meaning, const std::string& takes, Accepts accepts, Field field) {
    return {.path = std::move(path),
            .meaning = std::move(meaning),
            .takes = takes,
            .set = [takes, accepts, field](Scenario& scenario, const Value& value) -> Status {
                const auto* list = std::get_if<std::vector<std::string>>(&value);
                if (list == nullptr) {
                    return expected_but(takes, value);
                }
                for (auto word = list->begin(); word != list->end(); ++word) {
                    if (!accepts(*word)) {
                        return expected_but(takes, *word);
                    }
                    if (std::find(list->begin(), word, *word) != word) {
                        return fail(ErrorKind::invalid_input, fmt::format("'{}' stands in it twice", *word));
                    }
                }
                field(scenario) = *list;
                return {};
            },
            .print =
                [field](const Scenario& scenario) {
                    std::vector<std::string> words;
                    for (const std::string& word : field(scenario)) {
                        words.push_back(scenario::quoted(word));
                    }
                    return fmt::format("[{}]", fmt::join(words, ", "));
                },
            .from_text = list_from_text};
}

template <class Field>
Key words_key(std::string path, std::string meaning, const std::vector<std::string>& words, Field field) {
    return list_key(
        std::move(path), std::move(meaning), "a list of " + alternatives(words),
        [words](const std::string& word) { return contains(words, word); }, field);
}

template <class Field>
Key texts_key(std::string path, std::string meaning, const std::string& takes, Field field) {
    return list_key(
        std::move(path), std::move(meaning), takes, [](const std::string& text) { return !text.empty(); },
        field);
}

// Another, older name of the key `now`.
Key older_name(Key key, std::string_view now);
// What the file's loader takes out before its keys are set.
Key base_key(std::string path, std::string meaning);

}  // namespace reflux::scenario::kinds
