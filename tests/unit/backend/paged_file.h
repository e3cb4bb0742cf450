// An image file in memory, of which only what was written takes room.
#pragma once

#include "backend/image_file.h"
#include "backend/io/engine.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

namespace reflux::test {

class PagedFile : public ImageFile {
  public:
    static constexpr std::uint64_t page_size = 4096;

    int read(std::uint64_t offset, std::span<std::byte> buffer) const override {
        if (offset > size_ || buffer.size() > size_ - offset) {
            return EIO;
        }
        while (!buffer.empty()) {
            const auto part = first_part(offset, buffer);
            if (const auto page = pages_.find(offset / page_size); page != pages_.end()) {
                std::copy_n(page->second.begin() + offset % page_size, part.size(), part.begin());
            } else {
                std::ranges::fill(part, std::byte{});
            }
            offset += part.size();
            buffer = buffer.subspan(part.size());
        }
        return 0;
    }
    int write(std::uint64_t offset, std::span<const std::byte> buffer) override {
        size_ = std::max<std::uint64_t>(size_, offset + buffer.size());
        while (!buffer.empty()) {
            const auto part = first_part(offset, buffer);
            std::ranges::copy(part, pages_[offset / page_size].begin() + offset % page_size);
            offset += part.size();
            buffer = buffer.subspan(part.size());
        }
        return 0;
    }
    int sync() override { return 0; }
    int discard(std::uint64_t offset, std::uint64_t length) override {
        // What has no page reads as zeroes already.
        for (auto page = pages_.lower_bound(offset / page_size);
             page != pages_.end() && page->first * page_size < offset + length; ++page) {
            const std::uint64_t start = page->first * page_size;
            const std::uint64_t from = std::max(start, offset) - start;
            const std::uint64_t to = std::min(start + page_size, offset + length) - start;
            std::fill(page->second.begin() + from, page->second.begin() + to, std::byte{});
        }
        return 0;
    }
    int size(std::uint64_t& bytes) const override {
        bytes = size_;
        return 0;
    }
    int set_size(std::uint64_t bytes) override {
        size_ = bytes;
        pages_.erase(pages_.lower_bound((bytes + page_size - 1) / page_size), pages_.end());
        return 0;
    }

  private:
    using Page = std::array<std::byte, page_size>;

    template <class Span>
    static Span first_part(std::uint64_t offset, Span buffer) {
        return buffer.first(std::min<std::uint64_t>(buffer.size(), page_size - offset % page_size));
    }

    std::map<std::uint64_t, Page> pages_;
    std::uint64_t size_ = 0;
};

// A request to an engine, done on such a file.
inline int perform_on(ImageFile& file, const io::Request& request) {
    switch (request.operation) {
        case io::Operation::read:
            return file.read(request.offset, request.buffer);
        case io::Operation::write:
            // Without data it is a discard, which begin has done.
            return request.buffer.empty() ? 0 : file.write(request.offset, request.buffer);
        case io::Operation::flush:
            return file.sync();
    }
    return EINVAL;
}

}  // namespace reflux::test
