#include "harness/run/shard.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <string>
#include <tuple>

#include <fmt/format.h>

namespace reflux::run {
namespace {

// 0: more, or something else, than the digits of a number that fits; no shard has it.
unsigned number_of(std::string_view text) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size() ? number : 0;
}

std::string name_of(const Cell& cell) {
    return folder_name(cell.kernel) + "/" + cell.scenario;
}

}  // namespace

Result<Shard> parse_shard(std::string_view text) {
    const auto slash = text.find('/');
    const unsigned number = number_of(text.substr(0, slash));
    const unsigned of = slash == std::string_view::npos ? 0 : number_of(text.substr(slash + 1));
    if (number < 1 || number > of) {
        return fail(
            ErrorKind::invalid_input,
            fmt::format("--shard {}: expected i/n, the i-th of n parts, with i from 1 to n, as 2/3", text));
    }
    return Shard{.number = number, .of = of};
}

std::uint64_t stable_hash(const Cell& cell) {
    constexpr std::uint64_t basis = 0xcbf29ce484222325;
    constexpr std::uint64_t prime = 0x100000001b3;
    std::uint64_t hash = basis;
    for (const char c : name_of(cell)) {
        hash = (hash ^ static_cast<unsigned char>(c)) * prime;
    }
    return hash;
}

std::vector<Cell> cells_of(const Shard& shard, std::vector<Cell> cells) {
    std::vector<std::tuple<std::uint64_t, std::string>> order;
    order.reserve(cells.size());
    for (const auto& cell : cells) {
        order.emplace_back(stable_hash(cell), name_of(cell));
    }
    std::ranges::sort(order);
    std::set<std::string> own;
    for (std::size_t i = shard.number - 1; i < order.size(); i += shard.of) {
        own.insert(std::get<std::string>(order[i]));
    }
    std::erase_if(cells, [&](const Cell& cell) { return !own.contains(name_of(cell)); });
    return cells;
}

}  // namespace reflux::run
