// What a command answers, but for data of the disk and zone reports: parameter data, made in memory that is
// there already.
#pragma once

#include "daemon/scsi/big_endian.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace reflux::scsi {

// Grows at its end by zeroes; put() writes what was left out. What does not fit is lost: `most` is more than
// any answer needs, and a test holds that.
class DataIn {
  public:
    static constexpr std::size_t most = 1024;

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::span<const std::byte> bytes() const { return std::span(bytes_).first(size_); }
    void clear() { size_ = 0; }

    // Appends `count` zeroes; where they begin.
    std::size_t grow(std::size_t count) {
        const std::size_t at = size_;
        const std::size_t added = std::min(count, most - size_);
        std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at), added, std::byte{});
        size_ += added;
        return at;
    }
    template <std::unsigned_integral T>
    void put(std::size_t at, T value) {
        if (at + sizeof(T) <= size_) {
            put_be(std::span(bytes_), at, value);
        }
    }
    void put8(std::size_t at, unsigned value) { put(at, static_cast<std::uint8_t>(value)); }
    // ASCII, cut off or padded by blanks to `width`.
    void put_text(std::size_t at, std::size_t width, std::string_view text) {
        for (std::size_t i = 0; i < width; ++i) {
            put8(at + i, static_cast<unsigned char>(i < text.size() ? text[i] : ' '));
        }
    }
    template <std::size_t N>
    void append(const std::array<std::uint8_t, N>& values) {
        const std::size_t at = grow(N);
        for (std::size_t i = 0; i < N; ++i) {
            put8(at + i, values[i]);
        }
    }

  private:
    std::array<std::byte, most> bytes_{};
    std::size_t size_ = 0;
};

}  // namespace reflux::scsi
