#include "backend/io/fault_selection.h"

#include "backend/base/kernel_file.h"
#include "backend/base/units.h"

#include <charconv>

namespace reflux::io {
namespace {

constexpr std::array operations{Operation::read, Operation::write, Operation::flush};

tl::unexpected<Error> expected(std::string_view what, std::string_view found) {
    return fail(ErrorKind::invalid_input, fmt::format("expected {}, found '{}'", what, found));
}

template <class Number>
Result<Number> parse_number(std::string_view text, Number least, Number most, std::string_view what) {
    Number number{};
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    // Written so that "nan" is out of range.
    if (error != std::errc{} || rest != text.data() + text.size() || !(number >= least && number <= most)) {
        return expected(what, text);
    }
    return number;
}

constexpr std::string_view a_count = "a whole number from 1";

// splitmix64: the nth number of a seed without a state that threads would share.
double random_share(std::uint64_t seed, std::uint64_t n) {
    std::uint64_t x = seed + (n + 1) * 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
    x ^= x >> 31U;
    return static_cast<double>(x >> 11U) * 0x1p-53;
}

}  // namespace

Status FaultSelection::set_operations(std::string_view value) {
    operations_ = {};
    for (const auto& word : split(value, '+')) {
        bool known = false;
        for (const Operation operation : operations) {
            if (word == to_string(operation)) {
                operations_.at(static_cast<std::size_t>(operation)) = known = true;
            }
        }
        if (!known) {
            return expected("read, write or flush, joined by +", word);
        }
    }
    return operations_ == std::array<bool, 3>{} ? Status(expected("read, write or flush, joined by +", value))
                                                : Status{};
}

Status FaultSelection::set_range(std::string_view value) {
    const std::size_t dash = value.find('-');
    const auto from = parse_bytes(value.substr(0, dash));
    const auto to =
        dash == std::string_view::npos ? Result<Bytes>(Bytes{0}) : parse_bytes(value.substr(dash + 1));
    if (!from || !to || *from >= *to) {
        return expected("FROM-TO in bytes of the disk, TO excluded, such as 1MiB-64MiB", value);
    }
    from_ = from->value;
    to_ = to->value;
    return {};
}

Result<bool> FaultSelection::set_option(std::string_view key, std::string_view value) {
    constexpr std::uint64_t one = 1;
    if (key == "operations") {
        REFLUX_CHECK(set_operations(value));
    } else if (key == "range") {
        REFLUX_CHECK(set_range(value));
    } else if (key == "every") {
        REFLUX_TRY(every_, parse_number(value, one, no_end, a_count));
    } else if (key == "count") {
        REFLUX_TRY(count_, parse_number(value, one, no_end, a_count));
    } else if (key == "probability") {
        REFLUX_TRY(probability_, parse_number(value, 0.0, 1.0, "a number from 0 to 1"));
    } else if (key == "seed") {
        REFLUX_TRY(seed_, parse_number(value, std::uint64_t{0}, no_end, "a whole number"));
    } else {
        return false;
    }
    return true;
}

bool FaultSelection::is_meant(const FaultedRequest& request) const {
    if (!operations_.at(static_cast<std::size_t>(request.operation))) {
        return false;
    }
    if (request.operation == Operation::flush) {
        return from_ == 0 && to_ == no_end;  // it concerns no place
    }
    return request.offset < to_ && request.offset + request.length > from_;
}

bool FaultSelection::takes(const FaultedRequest& request) {
    if (!is_meant(request)) {
        return false;
    }
    const std::uint64_t n = meant_.fetch_add(1, std::memory_order_relaxed);
    if ((n + 1) % every_ != 0 || random_share(seed_, n) >= probability_) {
        return false;
    }
    std::uint64_t taken = taken_.load(std::memory_order_relaxed);
    while (taken < count_) {
        if (taken_.compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

std::uint64_t FaultSelection::taken() const {
    return taken_.load(std::memory_order_relaxed);
}

}  // namespace reflux::io
