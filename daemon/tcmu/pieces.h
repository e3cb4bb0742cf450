// Data that lies in pieces, as the ring has it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

namespace reflux::tcmu {

using Pieces = std::span<const std::span<std::byte>>;

inline std::size_t size_of(Pieces pieces) {
    std::size_t size = 0;
    for (const auto& piece : pieces) {
        size += piece.size();
    }
    return size;
}

// The first `length` bytes where they lie in one piece, else nothing. They are there.
inline std::span<std::byte> contiguous(Pieces pieces, std::size_t length) {
    return !pieces.empty() && pieces.front().size() >= length ? pieces.front().first(length)
                                                              : std::span<std::byte>{};
}

// Fills `to` from the pieces; they hold as much.
inline void gather(Pieces pieces, std::span<std::byte> to) {
    for (const auto& piece : pieces) {
        const std::size_t part = std::min(piece.size(), to.size());
        std::copy_n(piece.begin(), part, to.begin());
        to = to.subspan(part);
    }
}

// Fills the pieces from `from`, as far as both go, and what is left of them with zeroes; how much was copied.
inline std::size_t scatter(std::span<const std::byte> from, Pieces pieces) {
    std::size_t copied = 0;
    for (const auto& piece : pieces) {
        const std::size_t part = std::min(piece.size(), from.size() - copied);
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(copied), part, piece.begin());
        std::ranges::fill(piece.subspan(part), std::byte{});
        copied += part;
    }
    return copied;
}

}  // namespace reflux::tcmu
