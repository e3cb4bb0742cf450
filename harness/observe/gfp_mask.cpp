#include "harness/observe/gfp_mask.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace reflux::observe {
namespace {

// Recursive descent, loosest binding first: | & << +-, then the prefixes.
class Expression {
  public:
    explicit Expression(std::string_view text) : rest_(text) {}

    std::optional<std::uint64_t> value() {
        auto result = level(0);
        skip_blanks();
        return rest_.empty() ? result : std::nullopt;
    }

  private:
    static constexpr int deepest = 64;  // parentheses of a format file are some ten deep

    void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }

    bool take(std::string_view token) {
        skip_blanks();
        if (!rest_.starts_with(token)) {
            return false;
        }
        rest_.remove_prefix(token.size());
        return true;
    }

    static std::uint64_t apply(std::string_view operation, std::uint64_t left, std::uint64_t right) {
        switch (operation.front()) {
            case '|':
                return left | right;
            case '&':
                return left & right;
            case '<':
                return right < 64 ? left << right : 0;
            case '+':
                return left + right;
            default:
                return left - right;
        }
    }

    std::optional<std::uint64_t> level(std::size_t depth) {
        constexpr std::array<std::array<std::string_view, 2>, 4> operations{
            {{"|", ""}, {"&", ""}, {"<<", ""}, {"+", "-"}}};
        if (depth == operations.size()) {
            return prefixed();
        }
        auto left = level(depth + 1);
        for (bool more = left.has_value(); more;) {
            more = false;
            for (const auto operation : operations.at(depth)) {
                if (left && !operation.empty() && take(operation)) {
                    const auto right = level(depth + 1);
                    left = right ? std::optional(apply(operation, *left, *right)) : std::nullopt;
                    more = left.has_value();
                }
            }
        }
        return left;
    }

    bool take_cast() {
        const auto before = rest_;
        if (take("(")) {
            for (const std::string_view type : {"gfp_t", "unsigned long", "unsigned int"}) {
                if (take(type) && take(")")) {
                    return true;
                }
            }
        }
        rest_ = before;
        return false;
    }

    std::optional<std::uint64_t> prefixed() {
        if (++depth_ > deepest * 8) {
            return std::nullopt;
        }
        while (take_cast()) {
        }
        if (take("~")) {
            const auto value = prefixed();
            return value ? std::optional(~*value) : std::nullopt;
        }
        if (take("(")) {
            if (++open_ > deepest) {
                return std::nullopt;
            }
            const auto value = level(0);
            --open_;
            return take(")") ? value : std::nullopt;
        }
        return number();
    }

    std::optional<std::uint64_t> number() {
        skip_blanks();
        int base = 10;
        if (rest_.starts_with("0x") || rest_.starts_with("0X")) {
            rest_.remove_prefix(2);
            base = 16;
        }
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value, base);
        if (error != std::errc{}) {
            return std::nullopt;
        }
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
        rest_.remove_prefix(std::min(rest_.find_first_not_of("uUlL"), rest_.size()));
        return value;
    }

    std::string_view rest_;
    int open_ = 0;
    int depth_ = 0;  // prefixed operands seen
};

}  // namespace

std::optional<std::uint64_t> constant_value(std::string_view expression) {
    return Expression(expression).value();
}

std::optional<GfpTable> GfpTable::parse(std::string_view format) {
    // Of the mask's flags: another field of the event may be printed by flags too.
    const auto begin = format.find("__print_flags(REC->gfp_flags");
    if (begin == std::string_view::npos) {
        return std::nullopt;
    }
    format.remove_prefix(begin);
    GfpTable table;
    // Entries are {VALUE, "NAME"}; the last one is { 0, ((void *)0) }, or the list just ends.
    for (auto at = format.find('{'); at != std::string_view::npos; at = format.find('{', at + 1)) {
        const auto entry = format.substr(at + 1, format.find('}', at) - at - 1);
        const auto comma = entry.find(", \"");
        if (comma == std::string_view::npos) {
            break;
        }
        const auto name = entry.substr(comma + 3, entry.rfind('"') - comma - 3);
        const auto value = constant_value(entry.substr(0, comma));
        if (!value) {
            return std::nullopt;
        }
        table.values_.emplace(name, *value);
    }
    return table.values_.empty() ? std::nullopt : std::optional(std::move(table));
}

std::optional<std::uint64_t> GfpTable::bits_of(std::string_view mask) const {
    if (mask.empty()) {
        return std::nullopt;
    }
    if (mask == "none") {
        return 0;
    }
    std::uint64_t bits = 0;
    for (std::size_t begin = 0; begin <= mask.size();) {
        const auto end = std::min(mask.find('|', begin), mask.size());
        const auto word = mask.substr(begin, end - begin);
        if (const auto known = values_.find(word); known != values_.end()) {
            bits |= known->second;
        } else if (const auto value = word.starts_with("0x") ? constant_value(word) : std::nullopt; value) {
            bits |= *value;
        } else {
            return std::nullopt;
        }
        begin = end + 1;
    }
    return bits;
}

std::optional<bool> GfpTable::has(std::uint64_t bits, std::string_view flag) const {
    const auto known = values_.find(flag);
    if (known == values_.end()) {
        return std::nullopt;
    }
    return (bits & known->second) == known->second;
}

}  // namespace reflux::observe
