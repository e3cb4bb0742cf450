#include "harness/workload/content.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace reflux::workload {
namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t words_per_page = page / sizeof(std::uint64_t);
using Page = std::array<std::uint64_t, words_per_page>;

// Within a page every word is different; each page of each content is this one under a mask of its own. One
// xor a word is what keeps the generator off the profile.
constexpr Page make_base() {
    Page base{};
    for (std::size_t i = 0; i < base.size(); ++i) {
        base[i] = mix(i);
    }
    return base;
}
constexpr Page base_page = make_base();

void fill_page(std::byte* to, std::uint64_t mask) {
    for (std::size_t i = 0; i < words_per_page; ++i) {
        const std::uint64_t word = base_page[i] ^ mask;
        std::memcpy(to + i * sizeof word, &word, sizeof word);
    }
}

}  // namespace

void Content::fill(std::uint64_t offset, std::span<std::byte> bytes) const {
    while (!bytes.empty()) {
        const std::uint64_t mask = mix(key_ + offset / page);
        const std::size_t within = offset % page;
        const std::size_t length = std::min(page - within, bytes.size());
        if (length == page) {
            fill_page(bytes.data(), mask);
        } else {
            std::array<std::byte, page> whole;
            fill_page(whole.data(), mask);
            std::memcpy(bytes.data(), whole.data() + within, length);
        }
        bytes = bytes.subspan(length);
        offset += length;
    }
}

std::optional<std::size_t> first_difference(std::span<const std::byte> found,
                                            std::span<const std::byte> wanted) {
    if (std::memcmp(found.data(), wanted.data(), found.size()) == 0) {
        return std::nullopt;
    }
    const auto different = std::mismatch(found.begin(), found.end(), wanted.begin());
    return static_cast<std::size_t>(different.first - found.begin());
}

}  // namespace reflux::workload
