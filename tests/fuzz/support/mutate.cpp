#include "tests/fuzz/support/mutate.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <utility>

namespace reflux::fuzz {
namespace {

constexpr std::size_t most_values = 64;  // a key
constexpr std::size_t longest_list = 512;

template <class List>
const auto& one_of(const List& list, Random& random) {
    return list[pick(random, list.size())];
}

std::pair<std::size_t, std::size_t> range_of(const std::string& text, std::size_t longest, Random& random) {
    const std::size_t at = pick(random, text.size() + 1);
    return {at, std::min(text.size() - at, pick(random, longest) + 1)};
}

// Digits become another number, often one that does not fit.
void change_number(std::string& text, Random& random) {
    static const std::array<std::string, 14> numbers = {"0",
                                                        "1",
                                                        "-1",
                                                        "7",
                                                        "255",
                                                        "65536",
                                                        "2147483647",
                                                        "2147483648",
                                                        "4294967296",
                                                        "18446744073709551615",
                                                        "99999999999999999999999999",
                                                        "1e308",
                                                        "0.000000000000000001",
                                                        "nan"};
    const auto is_digit = [](unsigned char c) { return std::isdigit(c) != 0; };
    const auto from = text.begin() + static_cast<std::ptrdiff_t>(pick(random, text.size() + 1));
    const auto begin = std::find_if(from, text.end(), is_digit);
    const auto end = std::find_if_not(begin, text.end(), is_digit);
    text.replace(begin, end, one_of(numbers, random));
}

// A line again, or gone.
void change_line(std::string& text, Random& random) {
    const std::size_t before = text.rfind('\n', pick(random, text.size() + 1));
    const std::size_t begin = before == std::string::npos ? 0 : before + 1;
    const std::size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    if (begin >= end) {
        return;
    }
    if (pick(random, 3) == 0) {
        text.erase(begin, end - begin);
        return;
    }
    const std::string line = text.substr(begin, end - begin);
    for (std::size_t i = pick(random, pick(random, 8) == 0 ? 100 : 2) + 1; i > 0; --i) {
        text.insert(begin, line);
    }
}

bool is_state(const std::string& text) {
    return text.size() == 1;
}

}  // namespace

std::size_t pick(Random& random, std::size_t count) {
    return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
}

Mutator::Mutator(const Target& target) : seeds_(target.seeds), words_(target.words), format_(target.format) {
    words_.insert(words_.end(), {"", " ", "\n", "\xff\xfe", std::string(1, '\0')});
    if (format_ == Format::json) {
        for (const std::string& seed : seeds_) {
            collect("", Json::parse(seed));
        }
    }
}

void Mutator::collect(const std::string& name, const Json& value) {
    auto& values = values_[name];
    if (values.size() < most_values && std::ranges::find(values, value) == values.end()) {
        values.push_back(value);
    }
    for (const auto& [key, inner] : value.items()) {
        if (value.is_structured()) {
            collect(value.is_array() ? name + "[]" : key, inner);
        }
    }
}

const Mutator::Json& Mutator::seen(const std::string& name, const Json& otherwise, Random& random) const {
    const auto values = values_.find(name);
    return values == values_.end() ? otherwise : one_of(values->second, random);
}

std::string Mutator::mutated(std::string_view input, Random& random) const {
    if (format_ == Format::json && pick(random, 16) != 0) {
        if (Json json = Json::parse(input, nullptr, false); !json.is_discarded()) {
            for (std::size_t i = pick(random, 6) + 1; i > 0; --i) {
                change_value("", json, random);
            }
            return json.dump(-1, ' ', false, Json::error_handler_t::replace);
        }
    }
    std::string text(input);
    for (std::size_t i = pick(random, 4) + 1; i > 0; --i) {
        change_bytes(text, random);
    }
    return text;
}

void Mutator::change_value(const std::string& name, Json& value, Random& random) const {
    if (value.is_structured() && !value.empty() && pick(random, 12) != 0) {
        auto child = value.begin();
        std::advance(child, static_cast<std::ptrdiff_t>(pick(random, value.size())));
        change_value(value.is_array() ? name + "[]" : child.key(), *child, random);
    } else if (value.is_array() && !value.empty()) {
        change_list(name, value, random);
    } else if (value.is_object() && !value.empty() && pick(random, 2) == 0) {
        value.erase(std::next(value.begin(), static_cast<std::ptrdiff_t>(pick(random, value.size()))));
    } else if (pick(random, 2) == 0) {
        value = Json(seen(name, value, random));
    } else {
        change_leaf(name, value, random);
    }
}

void Mutator::change_list(const std::string& name, Json& list, Random& random) const {
    const std::size_t at = pick(random, list.size());
    const auto position = list.begin() + static_cast<std::ptrdiff_t>(at);
    switch (pick(random, 5)) {
        case 0:
            list.erase(at);
            break;
        case 1:
            list = Json::array();
            break;
        case 2:
            std::swap(list[at], list[pick(random, list.size())]);
            break;
        default:
            if (list.size() < longest_list) {
                list.insert(position, Json(pick(random, 2) == 0 ? one_of(list, random)
                                                                : seen(name + "[]", list.front(), random)));
            }
    }
}

void Mutator::change_leaf(const std::string& name, Json& leaf, Random& random) const {
    static const std::array<double, 6> reals = {0.0, -1.0, 0.5, 9.0, -1e308, 1e308};
    static const std::array<std::int64_t, 6> numbers = {
        0, 1, 2, 4096, std::numeric_limits<int>::max(), std::numeric_limits<std::int64_t>::max()};
    if (pick(random, 40) == 0) {  // of a wrong type
        static const std::array<Json, 6> others = {Json(),    Json(-1),      Json("text"),
                                                   Json(0.5), Json::array(), Json::object()};
        leaf = Json(one_of(others, random));
    } else if (leaf.is_string()) {
        // One letter is most often a task's state, and only one letter can be.
        leaf = is_state(leaf.get<std::string>()) ? std::string(1, "RSDTtZXI?"[pick(random, 9)])
                                                 : one_of(words_, random);
    } else if (leaf.is_boolean()) {
        leaf = !leaf.get<bool>();
    } else if (leaf.is_number_float()) {
        leaf = one_of(reals, random);
    } else if (leaf.is_number()) {
        leaf = pick(random, 2) == 0
                   ? Json(one_of(numbers, random))
                   : Json(seen(one_of(std::array<std::string, 3>{"tid", "pid", name}, random), leaf, random));
    } else if (leaf.is_object()) {
        leaf = Json::object();
    }
}

std::string Mutator::piece_of_a_seed(Random& random) const {
    const std::string& seed = one_of(seeds_, random);
    const auto [at, length] = range_of(seed, 200, random);
    return seed.substr(at, length);
}

void Mutator::change_bytes(std::string& text, Random& random) const {
    const auto [at, length] = range_of(text, pick(random, 4) == 0 ? 400 : 12, random);
    switch (pick(random, 8)) {
        case 0:
            text.replace(at, std::min<std::size_t>(length, 1), 1, static_cast<char>(pick(random, 256)));
            break;
        case 1:
            text.erase(at, length);
            break;
        case 2:
            text.insert(pick(random, text.size() + 1), std::string(text, at, length));
            break;
        case 3:
            text.replace(at, length, one_of(words_, random));
            break;
        case 4:
            text.insert(at, one_of(words_, random));
            break;
        case 5:
            text.insert(at, piece_of_a_seed(random));
            break;
        case 6:
            change_number(text, random);
            break;
        default:
            if (!text.empty()) {
                change_line(text, random);
            }
    }
}

}  // namespace reflux::fuzz
